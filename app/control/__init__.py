"""The loop that keeps worker pools at the size their queues need.

Observes queues, workers and replicas, lets `app.scaling` decide, and applies the difference. The
operator and the local pools implement its ports: what runs the workers, and where status goes.
"""
