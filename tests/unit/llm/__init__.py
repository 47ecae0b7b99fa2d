"""Names of models and failures of providers."""
