"""The API over real HTTP, with a real Valkey, real databases and real workers."""
