"""A small simulated account behind a real server, and the real command line run against it in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from alerter.cli.main import cli
from alerter.sandbox import SandboxClock, SandboxServer, parse_scenario

HOSTILE = "[red]x[/red] \x1b[31m<!channel>\x1b]0;owned\x07 & Co\u202e"
SHOWN = "[red]x[/red]"
START = datetime(2026, 3, 10, 6, tzinfo=UTC)
PASSWORD = "sandbox-pass-12345"

SCENARIO = f"""
name: cli
seed: 3
start: 2026-03-01
account: {{username: owner@example.com, password: {PASSWORD}}}
users:
  count: 5
  named:
    - {{name: {json.dumps(HOSTILE)}, share: 0.5}}
    - {{name: Prairie Co-op, share: 0.2}}
contracts:
  - name: ops
    product: OPERATIONS_FILE
    region: US
    start: -20
    end: 40
    quota: 4000 acre
    usage: {{per_year: 90000 acre, peaks: []}}
  - {{name: fields, product: FIELDS_BOUNDARY, start: -15, users: 3, usage: {{per_year: 20000 acre, peaks: []}}}}
"""

CONFIG = """\
accounts:
  - name: prod
    base_url: {url}
    username: owner@example.com
    password: {{env: CLI_PASSWORD}}
contracts:
  - {{match: {{product: FIELDS_BOUNDARY}}, cap: 50000 ha, name: Boundaries}}
rules:
  - id: contract-cap
    kind: contract_cap
    tiers: [{{at: 50%, severity: info}}, {{at: 100%, severity: critical, remind: 1d}}]
  - {{id: user-cap, kind: user_cap, cap: 900 acre}}
  - {{id: term-end, kind: contract_end}}
channels:
  screen: {{url: "console://"}}
database: state.db
"""


@dataclass
class Ran:
    """A finished command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class World:
    """A folder with a config, and the server that it names."""

    folder: Path
    server: SandboxServer
    clock: SandboxClock
    env: dict[str, str | None] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "alerter.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "state.db"

    def run(self, *args: str, config: bool = True, columns: int = 80) -> Ran:
        """Run one command line; `config` names the world's own by environment."""
        env = {
            "ALERTER_CONFIG": str(self.config) if config else None,
            "ALERTER_DATABASE": None,
            "COLUMNS": str(columns),
        }
        return run(*args, env=env | self.env)

    def once(self, at: datetime, *args: str) -> Ran:
        """Poll, evaluate and deliver as of `at`, at which the server's clock stands too."""
        self.clock.set(at)
        return self.run("once", "--at", at.isoformat(), *args)


def run(*args: str, env: dict[str, str | None] | None = None) -> Ran:
    """Run one command line in this process, up to its exit code."""
    result = CliRunner().invoke(cli, list(args), env=env or {}, prog_name="alerter")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception  # nothing may pass the boundary
    return Ran(result.exit_code, result.stdout, result.stderr)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Serve the scenario and write the config for it into `folder`."""
    clock = SandboxClock(START)
    with SandboxServer(parse_scenario(SCENARIO, name="cli.yaml"), clock=clock) as server:
        made = World(folder, server, clock, {"CLI_PASSWORD": PASSWORD})
        made.config.write_text(CONFIG.format(url=server.url), "utf-8")
        yield made
