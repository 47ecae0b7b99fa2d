"""A trading strategy from what somebody wrote or said, with quotes for each of its rules."""
