"""The pages of a web site as searchable chunks."""
