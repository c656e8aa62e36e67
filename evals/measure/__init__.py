"""Run champion and candidate in interleaved pairs and write down what happened."""
