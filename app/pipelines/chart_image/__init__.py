"""The content of a price chart image."""
