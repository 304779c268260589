"""The commented example file, generated from the schema: every key, what it means, and something to start from.

Lines with `# ` are words; a line with `#` right before a key is a setting to take into use by removing the `#`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from alerter.config.rule_schema import (
    ContractCapRule,
    ContractEndRule,
    DailySpikeRule,
    ExhaustionRule,
    RuleConfig,
    UserCapRule,
)
from alerter.config.schema import (
    AccountConfig,
    ChannelConfig,
    Config,
    ContractConfig,
    LogConfig,
    MessagesConfig,
    PlannedConfig,
    PollConfig,
    RouteConfig,
)

_WIDTH = 116
_HEAD = """\
The config of alerter: what is watched, what is worth a message, and who is told.

Lines that begin with "# " are words; take a setting into use by removing the # right before its key. What is shown
behind such a # is the default, or an example where there is none. Check the file with: alerter check --config FILE

Areas carry their unit (800000 acre, 320.5 ha), durations too (90s, 15m, 1h30m, 2d), percentages may (80%).
Secrets stay out of this file. Wherever one is needed, name its source instead:
  {env: NAME}          an environment variable
  {credential: NAME}   a systemd credential (LoadCredential=)
  {file: PATH}         a file beside this one or elsewhere, readable by its owner only (chmod 600)
In other values ${env:NAME} is filled in, and $$ is a plain dollar sign.\
"""


def example_text() -> str:
    """Return the example file: valid with LEAF_USERNAME and LEAF_PASSWORD in the environment."""
    lines = [f"# {line}".rstrip() for line in _HEAD.split("\n")]
    for name, field in Config.model_fields.items():
        lines += ["", *_words(field.description or "")]
        lines += [_SINGLE[name]] if name in _SINGLE else [f"{name}:", *_under(_SECTIONS[name]())]
    return "\n".join(lines) + "\n"


def _words(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text, _WIDTH - 4))


# ------------------------------------------------------------------ settings
_Rows = list[tuple[str, str]]  # a setting and its words


def _settings(
    model: type[BaseModel],
    live: dict[str, str],
    samples: Mapping[str, str] = MappingProxyType({}),
    *,
    skip: Container[str] = (),
) -> Iterator[str]:
    """Yield a line for every key of a model: those in `live` in use, the others behind a `#`, each with its words."""
    rows: _Rows = []
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        if name not in skip:
            text = live.get(name) or samples.get(name) or _written(field.default)
            rows.append((f"{'' if name in live else '#'}{name}: {text}", field.description or ""))
    return _aligned(rows)


def _aligned(rows: _Rows) -> Iterator[str]:
    """Yield settings with their words behind them where both fit on a line, else above."""
    column = max((len(setting) for setting, _ in rows if len(setting) <= 42), default=0) + 2
    for setting, words in rows:
        if len(setting) + 2 <= column and column + 2 + len(words) <= _WIDTH:
            yield f"{setting:<{column}}# {words}"
        else:
            yield from _words(words)
            yield setting


def _under(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)


def _item(lines: Iterable[str]) -> Iterator[str]:
    """Turn the lines of a mapping into an item of a list: the dash stands before the first key in use."""
    dashed = False
    for line in lines:
        if dashed or line.startswith("#"):
            yield f"  {line}"
        else:
            dashed = True
            yield f"- {line}"


def _written(value: Any) -> str:
    """Write a default as YAML on one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    return str(value)


# ------------------------------------------------------------------ sections
def _accounts() -> Iterator[str]:
    live = {"name": "prod", "username": "{env: LEAF_USERNAME}", "password": "{env: LEAF_PASSWORD}"}
    samples = {
        "token": "{env: LEAF_TOKEN}",
        "proxy": "http://proxy.example.com:3128",
        "aliases": "{8f3c1d7e-0000-4000-8000-000000000000: Prairie Co-op}",
    }
    return _item(_settings(AccountConfig, live, samples))


def _poll() -> Iterator[str]:
    return _settings(PollConfig, {"every": "15m", "settle": "2d", "revise": "7d"}, {"backfill_rate": "5"})


def _contracts() -> Iterator[str]:
    live = {"match": "{product: OPERATIONS_FILE}", "cap": "800000 acre"}
    return _item(_settings(ContractConfig, live, {"name": "Operations 2026"}))


_COMMON = frozenset(RuleConfig.model_fields) - {"id", "kind"}


def _rules() -> Iterator[str]:
    samples = {
        "match": "{account: prod, product: OPERATIONS_*, region: [US, CA], contract: 8f3c*}",
        "labels": "{team: operations}",
        "previous_ids": "[old-name]",
    }
    yield from _words("A day with far more use than usual. All rules have the keys from enabled to previous_ids.")
    spike = {"at_least": "2%", "minimum": "500 acre", "tiers": "[{at: 200%, severity: critical}]"}
    yield from _item(_settings(DailySpikeRule, {"id": "spike", "kind": "daily_spike"}, samples | spike))
    yield from ("", "# A contract's use against the area bought.")
    tiers = _written(ContractCapRule.model_fields["tiers"].default)
    live = {"id": "contract-cap", "kind": "contract_cap", "tiers": tiers}
    yield from _item(_settings(ContractCapRule, live, {"cap": "800000 acre"}, skip=_COMMON))
    yield from ("", "# Each Leaf user's use against a cap of their own. Off until you put your own numbers here.")
    live = {"id": "user-cap", "kind": "user_cap", "enabled": "false", "cap": "5000 acre"}
    live["overrides"] = '[{user: "Prairie Co-op", cap: 40000 acre}]'
    samples = {"share": "30%", "tiers": "[{at: 80%, severity: info}, {at: 100%, severity: warning, remind: 7d}]"}
    yield from _item(_settings(UserCapRule, live, samples, skip=_COMMON - {"enabled"}))
    yield from ("", "# The days until a term ends.")
    live = {"id": "term-end", "kind": "contract_end", "days": "[60, 30, 14, 7, 1]"}
    yield from _item(_settings(ContractEndRule, live, skip=_COMMON))
    yield from ("", "# A forecast: will the cap be reached before the term ends? Off until you want it.")
    live = {"id": "forecast", "kind": "exhaustion", "enabled": "false"}
    live["tiers"] = _written(ExhaustionRule.model_fields["tiers"].default)
    yield from _item(_settings(ExhaustionRule, live, {"cap": "800000 acre"}, skip=_COMMON - {"enabled"}))


def _planned() -> Iterator[str]:
    yield from _keys_of(PlannedConfig)
    yield "#- {from: 2026-05-10, to: 2026-05-24, user: Prairie Co-op, reason: onboarding}"
    yield "#- {from: 2026-10-01, to: 2026-10-07, product: OPERATIONS_FILE, reason: import of old seasons}"


def _channels() -> Iterator[str]:
    yield from _keys_of(ChannelConfig)
    yield "console: {url: console://}"
    yield "#ops-slack: {url: {env: OPS_SLACK_URL}}  # slack://TokenA/TokenB/TokenC, or https://hooks.slack.com/…"
    yield "#finance-mail: {url: {credential: finance_mail_url}}  # mailtos://user:password@mail.example.com?to=…"
    yield "#our-chat: {url: {env: CHAT_URL}, base_url: https://chat.example.com}  # a Slack-compatible server"


def _routes() -> Iterator[str]:
    yield from _keys_of(RouteConfig)
    yield "#- {match: {severity: critical}, to: [ops-slack, finance-mail]}"
    yield "#- {match: {kind: [user_cap, contract_cap], product: OPERATIONS_*}, to: [finance-mail], continue: true}"
    yield "- to: [console]"


def _keys_of(model: type[BaseModel]) -> Iterator[str]:
    for attribute, field in model.model_fields.items():
        yield from _words(f"{field.alias or attribute}: {field.description}")


def _messages() -> Iterator[str]:
    samples = {"templates": "templates", "public_url": "https://alerter.example.com"}
    return _settings(MessagesConfig, {"unit": "as_reported", "zone": "UTC"}, samples)


def _log() -> Iterator[str]:
    return _settings(LogConfig, {"level": "info", "format": "logfmt"})


_SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "accounts": _accounts,
    "poll": _poll,
    "contracts": _contracts,
    "rules": _rules,
    "planned": _planned,
    "channels": _channels,
    "routes": _routes,
    "messages": _messages,
    "log": _log,
}
_SINGLE = {"database": "#database: postgresql://alerter@db.example.com/alerter", "storm_max": "#storm_max: 20"}
