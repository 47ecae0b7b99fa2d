"""What was done in a period: figures as JSON and CSV, and a chart."""
