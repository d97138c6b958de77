"""The way to a session, and to the next one after a loss."""
