from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerter.app.systemd import Notifier, watchdog_interval


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    # Not tmp_path: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(Path(folder) / "notify"))
        sock.settimeout(5)
        yield sock


@pytest.fixture
def notifier(listener: socket.socket) -> Notifier:
    return Notifier.from_env({"NOTIFY_SOCKET": listener.getsockname()})


def received(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().split("\n")


def test_every_state_arrives_as_the_protocol_spells_it(listener: socket.socket, notifier: Notifier):
    assert notifier.present
    sent = {
        notifier.ready: (("watching 3 contracts",), ["READY=1", "STATUS=watching 3 contracts"]),
        notifier.status: (("polling",), ["STATUS=polling"]),
        notifier.reloading: ((12.5,), ["RELOADING=1", "MONOTONIC_USEC=12500000"]),
        notifier.stopping: (("on SIGTERM",), ["STOPPING=1", "STATUS=on SIGTERM"]),
        notifier.watchdog: ((), ["WATCHDOG=1"]),
        notifier.extend: ((90,), ["EXTEND_TIMEOUT_USEC=90000000"]),
    }
    for call, (arguments, lines) in sent.items():
        assert call(*arguments)
        assert received(listener) == lines


def test_a_status_cannot_smuggle_in_another_state(listener: socket.socket, notifier: Notifier):
    notifier.status("user bob\nSTOPPING=1\x1b[2J\ud800")
    assert received(listener) == ["STATUS=user bob STOPPING=1 [2J "]


def test_a_status_of_any_length_arrives_shortened(listener: socket.socket, notifier: Notifier):
    notifier.status("x" * 1_000_000)
    assert len(received(listener)[0]) < 300


def test_an_abstract_address_is_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # the kernel picks an abstract name
        sock.settimeout(5)
        address = "@" + sock.getsockname()[1:].decode()
        assert Notifier(address).watchdog()
        assert received(sock) == ["WATCHDOG=1"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify", "vsock:2:1234", "/" + "x" * 200, "/nul\0byte"])
def test_without_a_service_manager_every_call_says_no_and_nothing_breaks(address: str | None):
    notifier = Notifier(address)
    assert notifier.ready("up") is False
    assert notifier.watchdog() is False


def test_a_service_manager_that_does_not_read_holds_the_daemon_for_a_second_at_most(
    listener: socket.socket, notifier: Notifier
):
    answers = [notifier.watchdog() for _ in range(_queue_length() + 2)][-1:]
    assert answers == [False]


def _queue_length() -> int:
    return int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())


@pytest.mark.parametrize(
    ("env", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "42"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": ""}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
    ],
)
def test_the_watchdog_interval_is_what_the_environment_says_for_this_process(
    env: dict[str, str], interval: float | None
):
    assert watchdog_interval(env, 42) == interval


def test_a_real_process_reports_itself_ready(listener: socket.socket):
    code = "import os; from alerter.app.systemd import Notifier; Notifier.from_env(os.environ).ready('up')"
    env = {"NOTIFY_SOCKET": listener.getsockname()}
    subprocess.run([sys.executable, "-c", code], env=env, timeout=30, check=True)
    assert received(listener) == ["READY=1", "STATUS=up"]
