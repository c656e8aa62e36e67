"""The trusted side of the scaffold task: worlds of patches, and campaigns that a scaffold's settings drive in them."""
