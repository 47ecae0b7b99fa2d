"""The videos of a playlist, a job each."""
