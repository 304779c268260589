"""`alerter once` on a terminal: bars while history is read, nothing of them in what is printed or piped."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from pathlib import Path

from tests.cli_world import PASSWORD, world
from tests.program import BOUND, Program


def on_terminal(program: Program, *args: str) -> tuple[int, str, str]:
    """Run a command with standard error on a terminal; return its code, standard output, and what the terminal got."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                seen.extend(piece)
        except OSError:  # the other end was closed
            return

    env = {**program.environment(), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        program.command(*args), cwd=program.folder, env=env, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        out, _ = process.communicate(timeout=BOUND)
        reader.join(BOUND)
    os.close(ours)
    return process.returncode, out, seen.decode("utf-8", "replace")


def test_bars_show_how_much_history_is_read(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        program = Program(tmp_path, {"CLI_PASSWORD": PASSWORD})
        code, out, terminal = on_terminal(program, "once", "--at", "2026-03-10T06:00")
        assert code == 0, terminal
        assert "\x1b[" not in out
        assert "OPERATIONS_FILE (US): polled" in out
        assert re.search(r"OPERATIONS_FILE \(US\): history.*/29", terminal), terminal
        assert "FIELDS_BOUNDARY: history" in terminal
        code, _, terminal = on_terminal(program, "once", "--at", "2026-03-10T07:00")
        assert code == 0
        assert "history" not in terminal, "nothing is left to read"
        assert made.database.exists()


def test_a_pipe_gets_no_bars(tmp_path: Path) -> None:
    with world(tmp_path):
        ran = Program(tmp_path, {"CLI_PASSWORD": PASSWORD}).run("once", "--at", "2026-03-10T06:00")
        assert ran.code == 0
        assert ran.err == ""
        assert "history" not in ran.out.replace("of history read", "")
