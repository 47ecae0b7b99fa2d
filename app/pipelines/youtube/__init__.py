"""What a video page tells, what is said in it, and pictures of its scenes."""
