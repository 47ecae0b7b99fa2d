"""Statistics of a period as JSON, CSV and a chart."""
