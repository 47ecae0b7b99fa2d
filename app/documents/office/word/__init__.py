"""Word documents (OOXML, ISO/IEC 29500, transitional and strict) without a word processor: their
text in reading order. `document` reads the body as a stream, `inline` the text of a paragraph,
`styles` what a style means, `opc` the parts of the package. May import lxml and the modules of
`app.documents`.
"""
