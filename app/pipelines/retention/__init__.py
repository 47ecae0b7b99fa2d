"""What is removed after its time: old jobs with all that is theirs, orphans, and caches."""
