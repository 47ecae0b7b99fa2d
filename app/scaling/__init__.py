"""How many replicas a pool should have, and which of them may be removed.

Pure: frozen values in, frozen values out. No I/O, no clock (`now_s` is an argument), no randomness,
no third-party library. The operator and the local pools both decide here, through `app.control`.
"""
