"""What produces every figure that we state: ratios measured in one run, beside the peer.

`python -m benchmarks` lists them; `python -m benchmarks submit` runs one. Results depend on the
machine: compare the columns of one run, not runs.
"""
