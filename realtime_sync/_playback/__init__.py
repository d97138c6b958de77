"""The way of speech to a player, and what was heard of it."""
