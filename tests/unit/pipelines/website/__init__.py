"""The deciding parts of the website pipeline."""
