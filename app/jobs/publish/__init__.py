"""What follows a commit: messages to the broker, events to whoever follows the job."""
