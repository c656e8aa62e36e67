"""What is planted to test the evaluator itself: controls and generic exploits."""
