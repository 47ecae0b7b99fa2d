"""Jobs in the database: every read and write of their rows."""
