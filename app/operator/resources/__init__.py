"""What the operator reads and changes in a cluster: pools, targets, pods and Secrets.

These modules implement the ports `Pools`, `Replicas` and `Brokers` of `app.control`.
"""
