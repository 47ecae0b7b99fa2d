"""The routes, a module for each resource. Each parses, calls one thing, and translates back."""
