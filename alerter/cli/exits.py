"""The exit codes, as docs/interface.md freezes them; an AlerterError brings its own."""

from __future__ import annotations

OK = 0
FAILED = 1  # the command did its work, and something is wrong
REFUSED = 2  # the config or the command line cannot be used
SCHEMA = 3  # the database's schema does not fit this program
INTERNAL = 70  # EX_SOFTWARE
HELD = 75  # EX_TEMPFAIL: another daemon holds the database
INTERRUPTED = 130
PIPE = 141

MEANINGS = {
    OK: "done, and all is well",
    FAILED: "done, but something is wrong: an account, a channel or the database cannot be used right now",
    REFUSED: "the config or the command line cannot be used; nothing was done",
    SCHEMA: "the database's schema is older or newer than this program, or it is no alerter database",
    INTERNAL: "an internal error; please report it",
    HELD: "another daemon holds the database; try again when it has ended",
    INTERRUPTED: "interrupted with Ctrl-C",
    PIPE: "whoever read the output went away",
}
