"""Files of what was sent and received: written, read and played again."""
