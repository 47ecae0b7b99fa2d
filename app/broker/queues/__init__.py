"""The queues of an application: waiting and unacknowledged messages, and declared names.

May import `connections` and `messages`, and the values of `model` and `redis_keys`.
"""
