"""What the queues of an application hold, waiting and unacknowledged, and how they are declared.

May import `connections` and `messages`, and the values of `model` and `keys`.
"""
