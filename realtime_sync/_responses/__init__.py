"""Which response is whose, and what has arrived of it."""
