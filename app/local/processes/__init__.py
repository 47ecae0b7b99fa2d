"""Child processes: Celery processes forked by a zygote, servers, their output and their end.

A module here that is run as a program (`zygote`) imports nothing of ours.
"""
