"""The pages of a PDF: their text, with OCR where a page has none, and their images."""
