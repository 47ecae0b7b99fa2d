"""A short narrated film of a PubMed article."""
