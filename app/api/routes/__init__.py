"""The routes, one module per resource. Each parses, makes one call, and translates back."""
