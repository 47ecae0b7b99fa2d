"""The values of jobs: frozen dataclasses and pure decisions. No input or output."""
