"""The videos of a channel or a search, one job each."""
