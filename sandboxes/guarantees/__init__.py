"""What every sandbox guarantees, each guarantee tried from inside."""
