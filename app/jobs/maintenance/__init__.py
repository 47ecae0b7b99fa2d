"""The work of beat for jobs: reconcile rows with the broker, start scheduled jobs."""
