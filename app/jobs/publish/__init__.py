"""After a commit: messages to the broker, events to the followers of a job."""
