"""Reading documents that nobody vouches for: their text in blocks, with where each stands.

`reader` is a program that is run in a child process within limits (`app.worker.limits`); the worker
sees only the lines that it prints (`items`). A module per format does the reading. May import
`errors` only, so that the child starts fast.
"""
