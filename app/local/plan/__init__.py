"""The plan of a run, made before the first process starts: addresses, pools, environment.

Starts nothing and connects to nothing.
"""
