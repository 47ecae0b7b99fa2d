"""Metadata, transcript and scene frames of a video."""
