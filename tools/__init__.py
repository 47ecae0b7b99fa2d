"""What the project makes with itself: set-up and generated files."""
