"""The pages of a PDF: their text, recognised where there is none, and their pictures."""
