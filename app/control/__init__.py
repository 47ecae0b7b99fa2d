"""The loop that keeps worker pools at the size their queues ask for.

Gathers (queues, workers, replicas), lets `app.scaling` decide, and applies the difference. What
runs the workers and who hears of it are ports: the operator and the local pools bring their own.
"""
