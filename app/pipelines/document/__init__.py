"""The text of a document as chunks that a bot can find."""
