"""Removal of old jobs with all their data, orphans, and cache entries."""
