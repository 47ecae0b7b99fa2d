"""The videos of a channel or a search, a job each."""
