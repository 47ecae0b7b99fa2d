"""What the batch of videos decides."""
