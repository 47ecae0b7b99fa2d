"""A short film that tells what a PubMed article found."""
