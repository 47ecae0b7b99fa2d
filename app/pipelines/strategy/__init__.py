"""A trading strategy from a text, with quotes for each of its rules."""
