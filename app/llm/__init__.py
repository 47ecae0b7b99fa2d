"""Language models: ask one for an answer of a given form, whoever serves it.

The one place that knows their providers. `names` is pure and cheap; `asking` and what it imports
load the client library, which takes two seconds: import it only where a model is asked.
"""
