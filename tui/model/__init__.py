"""What the screens show, as plain values."""
