"""rsi: measured, reviewed and human-gated improvement of small training repos."""
