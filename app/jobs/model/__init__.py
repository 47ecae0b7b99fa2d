"""What the words of jobs mean: frozen values and pure decisions. No input or output."""
