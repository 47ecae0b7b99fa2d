"""What is read from bodies of messages, and what is refused."""
