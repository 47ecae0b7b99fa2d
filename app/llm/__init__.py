"""Language models: one typed request, whatever the provider.

The only package that knows providers. `names` is pure and cheap; `asking` and its imports load the
client library, which takes two seconds: import it only where a model is asked.
"""
