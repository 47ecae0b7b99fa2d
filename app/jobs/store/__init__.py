"""Jobs in the database: every read and every write of their rows."""
