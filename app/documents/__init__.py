"""Readers of untrusted documents: their text in blocks, and where each block stands.

The programs (`reader`, `pdf.pdf_reader`, `web.page_reader`, `picture`) run in a child process
within limits; the worker sees only the items that they print (`items`). Readers may import `errors`
only, so that a child starts fast.
"""
