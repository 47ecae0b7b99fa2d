"""Tests that need nothing outside their process."""
