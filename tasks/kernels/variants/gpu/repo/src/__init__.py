"""Five kernels, as textbooks write them."""
