"""The chart, rendered by helm and looked at. No cluster is needed."""
