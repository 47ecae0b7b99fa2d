"""The text of a document as searchable chunks."""
