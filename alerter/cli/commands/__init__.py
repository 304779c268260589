"""One file per command; each calls its click command `command`."""
