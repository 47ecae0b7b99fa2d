"""Word documents (OOXML, ISO/IEC 29500, transitional and strict): their text in reading order.

`document` reads the main part as a stream, `body` its elements, `inline` the text of a paragraph,
`texts` what holds paragraphs of its own, `styles` and `numbering` what a paragraph is.
"""
