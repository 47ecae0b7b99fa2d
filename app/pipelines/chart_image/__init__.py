"""What a picture of a price chart shows."""
