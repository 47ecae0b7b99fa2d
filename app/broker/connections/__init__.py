"""How a Redis broker is reached: addresses, and clients that raise our errors only.

May import `errors` and `settings`.
"""
