"""The chart, installed for real: what a release does from its installation to its removal."""
