"""What beat does for jobs: reconcile rows with the broker, begin what schedules name."""
