"""A good config means what it says, its secrets stay hidden, and what it leaves out has sensible values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from alerter.config import Config, Secret, json_schema, load_config, read_config
from alerter.core.area import Area, Unit
from alerter.core.model import Contract, Severity
from alerter.errors import ConfigError

ENV = {"USER_": "ops@example.com", "PW": "p4ss word{{", "URL": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}
SMALL = "accounts: [{name: prod, token: {env: PW}}]\nchannels: {ops: {url: 'console://'}}\n"


def config_of(text: str, folder: Path = Path("/etc/alerter"), env: Mapping[str, str] | None = None) -> Config:
    return read_config(text.encode(), folder / "alerter.yaml", env=ENV | dict(env or {}))


def test_everything_but_accounts_and_channels_has_a_default() -> None:
    config = config_of(SMALL)
    assert config.poll.every == timedelta(minutes=15)
    assert (config.poll.settle, config.poll.revise) == (timedelta(days=2), timedelta(days=7))
    assert (config.poll.threads, config.poll.deadline, config.poll.backfill_rate) == (4, timedelta(seconds=30), None)
    assert config.accounts[0].base_url == "https://api.withleaf.io"
    assert config.accounts[0].names is True
    assert (config.contracts, config.routes, config.storm_max) == ((), (), 20)
    assert (config.messages.unit, config.messages.zone, config.messages.digits) == ("as_reported", "UTC", 3)
    assert (config.log.level, config.log.format) == ("info", "logfmt")
    assert config.database == "sqlite:////etc/alerter/alerter.db"
    assert config.path == Path("/etc/alerter/alerter.yaml")


@pytest.mark.parametrize("rules", ["", "rules:\n", "rules: []\n", "rules: null\n"])
def test_without_rules_the_default_ones_are_in_force_and_it_is_said(rules: str) -> None:
    config = config_of(SMALL + rules)
    assert [(rule.id, rule.kind) for rule in config.rules] == [
        ("spike", "daily_spike"), ("contract-cap", "contract_cap"), ("term-end", "contract_end"),
    ]  # fmt: skip
    assert config.has_default_rules
    (warning,) = config.warnings
    assert "default ones" in warning.message
    assert warning.line == (3 if rules else 1)


def test_sections_with_everything_commented_out_count_as_missing() -> None:
    config = config_of(SMALL + "poll:\n  # every: 1h\ncontracts:\nroutes:\nmessages:\nlog:\n")
    assert config.poll.every == timedelta(minutes=15)


def test_scalars_mean_what_the_key_makes_of_them() -> None:
    config = config_of("""\
accounts:
  - {name: 010, token: {env: PW}, aliases: {007: no, 1e6: on, 12:30: 0x1F, y: 1_000}}
channels: {no: {url: "console://"}}
contracts: [{name: 12:30, match: {region: NO, contract: 0123}}]
poll: {threads: 010, backfill_rate: 1e1}
rules: [{id: on, kind: daily_spike, enabled: no, ratio: 2.5, method: ratio, labels: {a: 2026-01-01, b: true}}]
""")
    account = config.accounts[0]
    assert account.name == "010"
    assert account.aliases == {"007": "no", "1e6": "on", "12:30": "0x1F", "y": "1_000"}
    assert list(config.channels) == ["no"]
    assert config.contracts[0].name == "12:30"
    assert config.contracts[0].match.region == ("NO",)
    assert config.contracts[0].match.contract == ("0123",)
    assert (config.poll.threads, config.poll.backfill_rate) == (10, 10.0)
    rule = config.rules[0]
    assert (rule.id, rule.enabled, rule.labels) == ("on", False, {"a": "2026-01-01", "b": "true"})


def test_plain_strings_in_the_result_carry_nothing_of_the_file() -> None:
    config = config_of(SMALL + "contracts: [{name: x, match: {product: [a, b]}}]\n")
    assert type(config.contracts[0].name) is str
    assert {type(glob) for glob in config.contracts[0].match.product} == {str}
    assert type(config.accounts[0].name) is str


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    text = "\ufeff" + SMALL.replace("\n", "\r\n") + "log: {level: debug}\r\n"
    assert config_of(text).log.level == "debug"


def test_environment_fills_in_any_string_and_dollars_can_be_escaped() -> None:
    config = config_of(
        SMALL + "contracts: [{name: 'a${env:X}b$$c$$${env:X}', cap: '${env:CAP}'}]\n",
        env={"X": "${env:Y}", "CAP": "5 ha"},
    )
    assert config.contracts[0].name == "a${env:Y}b$c$${env:Y}"
    assert config.contracts[0].cap == Area(5, Unit.HECTARE)


def test_filled_in_text_is_never_read_as_yaml() -> None:
    config = config_of(SMALL + "contracts: [{name: '${env:X}'}]\n", env={"X": "a: [b, {c"})
    assert config.contracts[0].name == "a: [b, {c"


def test_tiers_and_days_arrive_as_numbers_in_order() -> None:
    config = config_of(
        SMALL
        + """\
rules:
  - {id: a, kind: contract_cap, tiers: [{at: 50}, {at: 120 %, severity: critical, remind: 1d}]}
  - {id: b, kind: contract_end, days: [1, {days: 60, severity: warning}, 7, 8, 31]}
  - {id: c, kind: daily_spike, method: absolute, at_least: 2%}
"""
    )
    cap, end, spike = config.rules
    assert [(tier.at, tier.severity, tier.remind) for tier in cap.tiers] == [  # type: ignore[union-attr]
        (50, Severity.WARNING, None), (120, Severity.CRITICAL, timedelta(days=1)),
    ]  # fmt: skip
    assert [(tier.days, tier.grade.value) for tier in end.days] == [  # type: ignore[union-attr]
        (60, "warning"), (31, "info"), (8, "warning"), (7, "critical"), (1, "critical"),
    ]  # fmt: skip
    assert spike.at_least == 0.02  # type: ignore[union-attr]


def test_the_first_contracts_entry_that_matches_counts() -> None:
    text = "contracts:\n- {match: {product: OPER*, region: US}}\n- {match: {product: [X, OPER*]}}\n"
    config = config_of(SMALL + text)

    def entry(product: str, region: str | None) -> str | None:
        start = datetime.combine(date(2026, 1, 1), datetime.min.time(), UTC)
        contract = Contract(account="prod", id="c", product=product, region=region, start_at=start, end_at=None)
        found = config.contract_entry(contract)
        return found and found[0]

    assert entry("OPERATIONS_FILE", "US") == "contracts[0]"
    assert entry("OPERATIONS_FILE", None) == "contracts[1]"
    assert entry("operations_file", "US") is None


def test_positions_can_be_asked_for_later() -> None:
    config = config_of(SMALL)
    assert config.position("channels", "ops", "url") == (2, 23)
    assert config.position("channels", "ops", "base_url") == (2, 17)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        config_of(SMALL).storm_max = 3


# ------------------------------------------------------------------ secrets
def test_a_secret_never_shows_itself() -> None:
    config = config_of("""\
accounts: [{name: prod, username: "${env:USER_}", password: {env: PW}, proxy: "http://u:pr0xy@h:1"}]
channels: {ops: {url: {env: URL}}}
database: postgresql://u:${env:PW}@h/db
""")
    password = config.accounts[0].password
    dumped = f"{config.model_dump(exclude={'database'})} {config.model_dump_json(exclude={'database'})}"
    for shown in (repr(config), str(config), dumped, repr(password), str(password), f"{password}"):
        for secret in ("p4ss", "T1JJ3T3L2", "ops@example.com"):
            assert secret not in shown
    assert "pr0xy" not in repr(config)
    assert password == Secret("p4ss word{{", "env")
    assert password.reveal() == "p4ss word{{"


def test_every_resolved_secret_is_listed_for_the_logs() -> None:
    config = config_of("""\
accounts:
  - {name: prod, username: {env: USER_}, password: {env: PW}, proxy: "http://u:pr0xy@h:1"}
  - {name: b, username: openly, password: x}
channels: {ops: {url: {env: URL}}, mail: {url: "mailtos://u:m4il%21pw@h?to=a@b.example"}, out: {url: "console://"}}
database: postgresql://u:dbp4ss@h/db
""")
    wanted = {"ops@example.com", "p4ss word{{", "pr0xy", ENV["URL"], "m4il%21pw", "m4il!pw", "dbp4ss"}
    assert wanted <= set(config.secrets)
    assert not {"openly", "console://", "h", "u", ""} & set(config.secrets)
    assert list(config.secrets) == sorted(config.secrets, key=lambda text: (-len(text), text))


def test_a_secret_written_out_is_accepted_with_a_warning_at_its_place() -> None:
    config = config_of("""\
accounts:
  - name: prod
    username: me
    password: hunter2
    proxy: http://u:p@h:1
channels:
  a: {url: "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}
  b: {url: "mailto://u:p@h"}
  c: {url: "mailto://h?to=a@b.example"}
  d: {url: "console://"}
  e: {url: "mailto://u:${env:PW}@h"}
  f: {url: "json://127.0.0.1:8080/x"}
  g: {url: {env: URL}}
database: postgresql://u:p@h/db
rules: [{id: a, kind: contract_cap}]
""")
    assert [(one.line, one.column, one.path) for one in config.warnings] == [
        (4, 15, "accounts[0].password"), (5, 12, "accounts[0].proxy"), (7, 12, "channels.a.url"),
        (8, 12, "channels.b.url"), (14, 11, "database"),
    ]  # fmt: skip
    assert not any("hunter2" in str(one) for one in config.warnings)


def test_secret_files_lie_beside_the_config_and_lose_one_line_end(tmp_path: Path) -> None:
    for name, content, text in (
        ("a", "s3cret\n", "s3cret"),
        ("b", "s3cret\r\n", "s3cret"),
        ("c", " s3 cret ", " s3 cret "),
    ):
        (tmp_path / name).write_bytes(content.encode())
        (tmp_path / name).chmod(0o600)
        config = config_of(SMALL.replace("env: PW", f"file: {name}"), tmp_path)
        assert config.accounts[0].token == Secret(text, "file")
    config = config_of(SMALL.replace("env: PW", f"file: {tmp_path / 'a'}"))
    assert config.accounts[0].token == Secret("s3cret", "file")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o644])
def test_a_secret_file_open_to_others_is_refused_with_the_command_to_run(mode: int, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret")
    (tmp_path / "pw").chmod(mode)
    with pytest.raises(ConfigError) as caught:
        config_of(SMALL.replace("env: PW", "file: pw"), tmp_path)
    (problem,) = caught.value.problems
    assert f"run: chmod 600 {tmp_path}/pw" in problem.message
    assert (problem.line, problem.column, problem.path) == (1, 32, "accounts[0].token")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "is empty"), (b"\n", "is empty"), (b"a\nb\n", "line break"), (b"a\n\n", "line break"),
        (b"\xff\xfe", "not UTF-8"), (b"a\x00b", "control character"), (b"x" * 70_000, "64 KiB"),
    ],
)  # fmt: skip
def test_a_secret_file_with_anything_but_one_line_is_refused(content: bytes, fragment: str, tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(content)
    (tmp_path / "pw").chmod(0o600)
    with pytest.raises(ConfigError, match=fragment):
        config_of(SMALL.replace("env: PW", "file: pw"), tmp_path)


def test_a_secret_in_a_folder_a_pipe_or_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, fragment in (
        ("folder", "not a regular file|is a directory"),
        ("pipe", "not a regular file"),
        ("none", "no such file"),
    ):
        with pytest.raises(ConfigError, match=fragment):
            config_of(SMALL.replace("env: PW", f"file: {name}"), tmp_path)


def test_credentials_come_from_the_folder_of_the_service(tmp_path: Path) -> None:
    (tmp_path / "leaf").write_text("s3cret\n")
    text = SMALL.replace("env: PW", "credential: leaf").encode()
    config = read_config(text, Path("/etc/a.yaml"), env={}, credentials_dir=tmp_path)
    assert config.accounts[0].token == Secret("s3cret", "credential")
    missing = text.replace(b"leaf", b"other")
    with pytest.raises(ConfigError, match=f"cannot read {tmp_path}/other"):
        read_config(missing, Path("/etc/a.yaml"), env={}, credentials_dir=tmp_path)


# ------------------------------------------------------------------ paths
@pytest.mark.parametrize(
    ("database", "url"),
    [
        ("", "sqlite:////etc/alerter/alerter.db"),
        ("database: state/a.db\n", "sqlite:////etc/alerter/state/a.db"),
        ("database: /var/lib/a.db\n", "sqlite:////var/lib/a.db"),
        ("database: sqlite:///a.db\n", "sqlite:////etc/alerter/a.db"),
        ("database: sqlite:////var/lib/a.db\n", "sqlite:////var/lib/a.db"),
        ("database: postgresql://u@h/db\n", "postgresql://u@h/db"),
        ("database: {env: DB}\n", "postgresql://u:p@h/db"),
    ],
)
def test_the_database_is_an_address_or_a_path_beside_the_config(database: str, url: str) -> None:
    assert config_of(SMALL + database, env={"DB": "postgresql://u:p@h/db"}).database == url


def test_under_systemd_the_database_lies_in_the_state_directory() -> None:
    assert (
        config_of(SMALL, env={"STATE_DIRECTORY": "/var/lib/alerter:/x"}).database
        == "sqlite:////var/lib/alerter/alerter.db"
    )
    assert (
        config_of(SMALL + "database: a.db\n", env={"STATE_DIRECTORY": "/x"}).database == "sqlite:////etc/alerter/a.db"
    )


def test_templates_are_a_folder_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert config_of(SMALL + "messages: {templates: own}\n", tmp_path).messages.templates == tmp_path / "own"


def test_a_file_on_disk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "alerter.yaml"
    path.write_text(SMALL)
    assert load_config(path, env=ENV).accounts[0].name == "prod"


def test_a_file_that_is_none_is_answered_with_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, fragment in (
        (tmp_path, "is a folder"), (tmp_path / "pipe", "not a regular file"), (tmp_path / "none.yaml", "no such file"),
        (Path("/dev/zero"), "not a regular file"), (tmp_path / "pipe" / "x", "not a directory"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=fragment) as caught:
            load_config(path, env={})
        assert str(caught.value).startswith(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_answered_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "alerter.yaml"
    path.write_text(SMALL)
    path.chmod(0)
    with pytest.raises(ConfigError, match="permission denied"):
        load_config(path, env={})


def test_a_thousand_rules_are_read_quickly_and_in_order() -> None:
    rules = "".join(f"  - {{id: r{index}, kind: user_cap, cap: {index + 1} ha}}\n" for index in range(1000))
    assert [rule.id for rule in config_of(SMALL + "rules:\n" + rules).rules] == [f"r{index}" for index in range(1000)]


# ------------------------------------------------------------------ the schema
def test_every_key_says_what_it_means() -> None:
    schema = json_schema()
    models = [schema, *schema["$defs"].values()]
    silent = [(model.get("title"), key) for model in models for key, about in model.get("properties", {}).items()
              if not about.get("description") and "$ref" not in about]  # fmt: skip
    assert not silent
    assert set(schema["properties"]) == {
        "accounts", "poll", "contracts", "rules", "planned", "channels", "routes", "messages", "storm_max", "database",
        "log",
    }  # fmt: skip
    assert {"match", "to", "continue"} == set(schema["$defs"]["RouteConfig"]["properties"])
