"""One question, one answer: what the shortcuts of clients and connections do."""
