"""The transcripts of videos as searchable chunks."""
