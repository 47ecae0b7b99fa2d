"""Observes: one reading of each broker, and what it says about the replicas of each pool."""
