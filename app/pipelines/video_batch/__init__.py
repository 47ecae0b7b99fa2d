"""What is said in videos, as chunks that a bot can find."""
