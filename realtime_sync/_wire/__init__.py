"""How bytes travel: the line to a server, TLS, the upgrade, frames, and no thread."""
