"""The deciding parts of the media pipeline."""
