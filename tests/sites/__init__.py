"""A real web site on this machine, with the media and the misbehaviour that jobs meet outside.

`python -m tests.sites` serves it until Ctrl-C.
"""
