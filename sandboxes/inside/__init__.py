"""What runs inside a sandbox, and the wire to it."""
