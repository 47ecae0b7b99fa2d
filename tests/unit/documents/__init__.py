"""Reading documents: what needs no child process."""
