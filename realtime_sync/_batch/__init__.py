"""Many items over several sessions."""
