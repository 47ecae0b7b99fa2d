"""The videos of a playlist, one job each."""
