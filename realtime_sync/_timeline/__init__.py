"""From the events of a session to its table and its picture."""
