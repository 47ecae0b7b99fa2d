"""Web pages: their text, facts and links. `page_reader` is the program that reads them."""
