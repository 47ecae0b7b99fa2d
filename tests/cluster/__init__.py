"""Tests against a real Kubernetes, and the machinery that boots one where there is none."""
