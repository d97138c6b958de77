"""The threads of a connection, and what they share."""
