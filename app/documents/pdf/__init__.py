"""PDF: the text of pages, their pictures, and recognition of text in pictures.

`pdf_reader` is the program of the `pdf` pipeline; the `document` pipeline uses only `pages`.
"""
