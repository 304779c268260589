"""The daemon while the machine's clock is set back and forth, or the machine sleeps."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.daemons import until, world
from tests.sinks import Reply

SHIM = Path(__file__).parents[1] / "clock_shim.c"
HOUR = 3600
SOON = 25.0  # seconds until the next poll at `every: 10s`, on a busy machine


@pytest.fixture
def shifted(tmp_path: Path) -> dict[str, str]:
    """The environment of a daemon whose wall clock is off by what the file `shift` says."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    library = tmp_path / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SHIM, "-ldl"], check=True, timeout=60)
    (tmp_path / "shift").write_text("0")
    env = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(tmp_path / "shift")}
    probe = subprocess.run(
        ["date", "+%s"], env={**env, "CLOCK_SHIFT": "/dev/null"}, capture_output=True, text=True, check=False
    )
    if probe.returncode or probe.stderr:
        pytest.skip(f"preloading does not work here: {probe.stderr.strip()}")
    return env


def set_clock(folder: Path, seconds: int) -> None:
    """Swap the file in, for it is read all the time."""
    (folder / "new").write_text(str(seconds))
    (folder / "new").rename(folder / "shift")


def test_a_clock_set_back_and_forward_leaves_polls_going_and_repeats_nothing(
    tmp_path: Path, shifted: dict[str, str]
) -> None:
    with world(tmp_path, "state.db", every="10s") as one:
        daemon = one.start(env=shifted)
        leaf = one.leaves["a0"]
        until(lambda: len(one.told()) == 1, "the message", daemon)
        for jumps, shift in enumerate((-HOUR, 0, 3 * HOUR, 0), start=1):
            polls = len(leaf.polls())
            set_clock(tmp_path, shift)
            until(lambda jumps=jumps: daemon.said("clock_jumped") == jumps, "the jump is seen", daemon)
            until(lambda polls=polls: len(leaf.polls()) >= polls + 1, "the next poll", daemon, within=SOON)
        polls, began = len(leaf.polls()), time.monotonic()
        until(lambda: len(leaf.polls()) >= polls + 2, "two more polls", daemon, within=2 * SOON)
        assert time.monotonic() - began > 5, "polls in a storm"
        assert daemon.stop() == 0
        assert len(one.told()) == 1
        assert "Traceback" not in daemon.log


def test_a_message_that_waits_to_be_tried_again_does_not_wait_an_hour_more_for_a_clock_set_back(
    tmp_path: Path, shifted: dict[str, str]
) -> None:
    with world(tmp_path, "state.db") as one:
        one.slack.replies = [Reply(status=503)]
        daemon = one.start(env=shifted)
        until(lambda: daemon.said("message_failed") >= 1, "a failed attempt", daemon)
        set_clock(tmp_path, -HOUR)
        one.slack.replies = []
        until(lambda: daemon.said("message_sent") == 1, "the message", daemon, within=SOON)
        assert daemon.stop() == 0


@pytest.mark.long
def test_a_paused_machine_catches_up_once(tmp_path: Path, shifted: dict[str, str]) -> None:
    """A suspended machine's steady clock stands still: to the daemon it is a clock set forward."""
    with world(tmp_path, "state.db", every="10s") as one:
        daemon = one.start(env=shifted)
        leaf = one.leaves["a0"]
        until(lambda: len(one.told()) == 1, "the message", daemon)
        daemon.pause()
        set_clock(tmp_path, 7 * HOUR)
        polls = len(leaf.polls())
        daemon.go_on()
        until(lambda: len(leaf.polls()) > polls, "the catch-up", daemon, within=SOON)
        time.sleep(5)
        assert len(leaf.polls()) <= polls + 2
        assert daemon.stop() == 0
        assert len(one.told()) == 1
