"""The pages of a web site as chunks that a bot can find."""
