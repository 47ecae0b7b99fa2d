"""A worker pool as a value: what its owner writes, what can be wrong with it, and its status.

Pure. The lowest layer of `app.control`.
"""
