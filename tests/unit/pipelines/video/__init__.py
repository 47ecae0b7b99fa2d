"""What a film says and shows."""
