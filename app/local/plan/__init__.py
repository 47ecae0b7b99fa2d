"""What a run consists of, decided before the first process starts: addresses, pools, environment.

Starts nothing and connects to nothing.
"""
