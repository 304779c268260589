"""Every broken config is answered with the exact place, path and reason, all of them at once."""

# ruff: noqa: E501  # a table: one broken config and its answer per row reads better than wrapped

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.config import json_schema, read_config
from alerter.errors import ConfigError, Problem

ENV = {"TOKEN": "t0ken-value", "MULTI": "a\nb", "EMPTY": "", "EVERY": "every now and then"}

# Two lines, so that what a case adds begins at line 3.
GOOD = """\
accounts: [{name: prod, token: {env: TOKEN}}]
channels: {ops: {url: "console://"}, mail: {url: "console://"}}
"""


class Case(NamedTuple):
    name: str
    text: str
    expected: list[tuple[int, int, str, str]]


def rule(*lines: str) -> str:
    """A rules section with one rule; the first of `lines` stands in line 6, its text in column 5."""
    return GOOD + "rules:\n  - id: one\n    kind: " + lines[0] + "\n" + "".join(f"    {line}\n" for line in lines[1:])


def route(text: str) -> str:
    """A routes section: `text` stands from line 4 on."""
    return GOOD + "routes:\n" + text


CASES = [
    # ---- the file
    Case("empty", "", [(1, 1, "", "is empty")]),
    Case("only comments", "# nothing\n", [(1, 1, "", "is empty")]),
    Case("only a document start", "---\n", [(2, 1, "", "found a single value")]),
    Case("a list", "- a\n- b\n", [(1, 1, "", "found a list")]),
    Case("a word", "\n  hello\n", [(2, 3, "", "found a single value")]),
    Case("two documents", GOOD + "---\na: 1\n", [(3, 1, "", "second YAML document")]),
    Case("syntax", GOOD + "poll: [1, 2\n", [(4, 1, "", "the YAML syntax is broken")]),
    Case("a tab", GOOD + "poll:\n\tevery: 15m\n", [(4, 1, "", "not with tabs")]),
    Case("two colons", GOOD + "poll: every: 15m\n", [(3, 12, "", "the YAML syntax is broken")]),
    Case("control character", GOOD + "poll: {every: 1\x1b5m}\n", [(3, 16, "", "U+001B")]),
    Case("strange line break", GOOD + "poll: {every:\u2028 15m}\n", [(3, 14, "", "U+2028")]),
    Case("too deep", GOOD + "poll: " + "[" * 40 + "\n", [(3, 27, "poll" + "[0]" * 20, "deeper than 20")]),
    # ---- what YAML could do and may not
    Case("anchor", GOOD + "poll: &p {every: 15m}\n", [(3, 7, "poll", "anchors (&p)")]),
    Case("alias", GOOD + "x-poll: &p {}\npoll: *p\n",
         [(3, 1, "x-poll", "unknown key"), (3, 9, "x-poll", "anchors"), (4, 7, "poll", "aliases (*p)")]),
    Case("merge key", GOOD + "poll:\n  <<: {every: 15m}\n", [(4, 3, "poll['<<']", "merge keys")]),
    Case("tag", GOOD + "poll: {every: !!str 15m}\n", [(3, 15, "poll.every", "tags (!!str)")]),
    Case("python tag", GOOD + "poll: !!python/object:os.system {}\n", [(3, 7, "poll", "tags (!!python/object:os.system)")]),
    Case("duplicate key", GOOD + "poll:\n  every: 15m\n  settle: 2d\n  every: 1h\n",
         [(6, 3, "poll.every", "duplicate key 'every' (first at line 4)")]),
    Case("duplicate section", GOOD + "poll: {every: 15m}\npoll: {every: 16m}\n", [(4, 1, "poll", "first at line 3")]),
    Case("a list as a key", GOOD + "? [a, b]\n: 1\n", [(3, 3, "['?']", "a key must be a single word")]),
    Case("an escape in a key", GOOD + '"a\\tb": 1\n', [(3, 1, "['a\\tb']", "control character")]),
    # ---- the top
    Case("nothing needed is there", "log: {level: info}\n", [(1, 1, "accounts", "is missing"), (1, 1, "channels", "is missing")]),
    Case("no channel", "accounts: [{name: prod, token: {env: TOKEN}}]\nchannels: {}\n", [(2, 11, "channels", "is empty")]),
    Case("unknown section", GOOD + "acounts: []\n", [(3, 1, "acounts", "unknown key, did you mean 'accounts'?")]),
    Case("unknown section by another name", GOOD + "db: x\n", [(3, 1, "db", "did you mean 'database'?")]),
    Case("section of the wrong shape", GOOD + "poll: 15m\n", [(3, 7, "poll", "expected a mapping of keys, found a single value")]),
    Case("list of the wrong shape", GOOD + "rules: {id: a}\n", [(3, 8, "rules", "expected a list, found a mapping")]),
    # ---- forecasts
    Case("no probability", rule("exhaustion", "tiers: [{at: 50%}, {at: 120%}]"), [(6, 29, "rules[0].tiers[1].at", "no probability is above 100%")]),
    # ---- planned activity
    Case("planned backwards", GOOD + "planned:\n  - {from: 2026-05-10, to: 2026-05-09}\n",
         [(4, 28, "planned[0].to", "2026-05-09 lies before `from`, 2026-05-10")]),
    Case("planned without days", GOOD + "planned:\n  - {user: x}\n",
         [(4, 5, "planned[0].from", "is missing"), (4, 5, "planned[0].to", "is missing")]),
    Case("no such day", GOOD + "planned:\n  - {from: 2026-02-30, to: May}\n",
         [(4, 12, "planned[0].from", "there is no day '2026-02-30'"), (4, 28, "planned[0].to", "'May' is not a day")]),
    Case("planned by another key", GOOD + "planned:\n  - {from: 2026-05-10, to: 2026-05-12, users: x}\n",
         [(4, 40, "planned[0].users", "unknown key, did you mean 'user'?")]),
    # ---- accounts
    Case("no login", "accounts:\n  - name: prod\nchannels: {ops: {url: 'console://'}}\n",
         [(2, 5, "accounts[0]", "no way to log in")]),
    Case("half a login", "accounts:\n  - name: prod\n    username: me\nchannels: {ops: {url: 'console://'}}\n",
         [(2, 5, "accounts[0].password", "is missing")]),
    Case("two logins", "accounts: [{name: prod, password: a, token: b}]\nchannels: {ops: {url: 'console://'}}\n",
         [(1, 45, "accounts[0].token", "either a token or both")]),
    Case("two accounts of one name",
         "accounts:\n- {name: prod, token: {env: TOKEN}}\n- {name: prod, token: {env: TOKEN}}\nchannels: {ops: {url: 'console://'}}\n",
         [(3, 10, "accounts[1].name", "another account is named 'prod' (line 2)")]),
    Case("bad account name", "accounts: [{name: a b, token: {env: TOKEN}}]\nchannels: {ops: {url: 'console://'}}\n",
         [(1, 19, "accounts[0].name", "cannot be a name")]),
    Case("plain http", "accounts: [{name: a, base_url: http://api.example.com, token: {env: TOKEN}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 32, "accounts[0].base_url", "plain http is allowed to this machine only")]),
    Case("password in the address", "accounts: [{name: a, base_url: 'https://u:p@x.example', token: {env: TOKEN}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 32, "accounts[0].base_url", "does not belong in this address")]),
    Case("misspelt key of an account", "accounts: [{name: a, pasword: hunter2, token: {env: TOKEN}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 22, "accounts[0].pasword", "unknown key, did you mean 'password'?")]),
    Case("bad alias", "accounts:\n- name: a\n  token: {env: TOKEN}\n  aliases:\n    u1: [x]\nchannels: {o: {url: 'console://'}}\n",
         [(5, 9, "accounts[0].aliases.u1", "expected text, found a list")]),
    # ---- secrets
    Case("environment variable not set", "accounts: [{name: a, token: {env: TOKN}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "the environment variable TOKN is not set")]),
    Case("environment variable empty", "accounts: [{name: a, token: {env: EMPTY}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "EMPTY is empty")]),
    Case("secret of two lines", "accounts: [{name: a, token: {env: MULTI}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "holds a line break")]),
    Case("unknown source", "accounts: [{name: a, token: {envv: X}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "did you mean 'env'?")]),
    Case("two sources", "accounts: [{name: a, token: {env: TOKEN, file: x}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "exactly one of")]),
    Case("no credentials here", "accounts: [{name: a, token: {credential: leaf}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "LoadCredential=leaf")]),
    Case("credential with a path", "accounts: [{name: a, token: {credential: ../leaf}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "takes the name of a systemd credential")]),
    Case("secret file missing", "accounts: [{name: a, token: {file: nowhere.txt}}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "nowhere.txt: no such file")]),
    Case("secret of the wrong shape", "accounts: [{name: a, token: [x]}]\nchannels: {o: {url: 'console://'}}\n",
         [(1, 29, "accounts[0].token", "expected a text, {env: NAME}")]),
    # ---- filling in
    Case("unset in a string", GOOD + "log: {level: '${env:LEVEL}'}\n", [(3, 14, "log.level", "the environment variable LEVEL is not set")]),
    Case("another source in a string", GOOD + "log: {level: '${file:/x}'}\n", [(3, 14, "log.level", "only ${env:NAME} can be filled in")]),
    Case("unfinished reference", GOOD + "log: {level: '${env'}\n", [(3, 14, "log.level", "write $$ for a dollar sign")]),
    Case("control character filled in", GOOD + "log: {level: '${env:MULTI}'}\n", [(3, 14, "log.level", "holds a line break")]),
    Case("escaped control character", GOOD + 'log: {level: "in\\tfo"}\n', [(3, 14, "log.level", "holds a control character")]),
    Case("writing direction", GOOD + 'log: {level: "\\u202einfo"}\n', [(3, 14, "log.level", "writing direction")]),
    Case("filled-in value is not repeated", GOOD + "poll: {every: '${env:EVERY}'}\n",
         [(3, 15, "poll.every", "'${env:EVERY}' is not a duration")]),
    # ---- poll, numbers, durations
    Case("duration without a unit", GOOD + "poll: {every: 15}\n", [(3, 15, "poll.every", "a unit is missing")]),
    Case("duration in words", GOOD + "poll: {every: often}\n", [(3, 15, "poll.every", "is not a duration")]),
    Case("sexagesimal is no duration", GOOD + "poll: {every: 12:30}\n", [(3, 15, "poll.every", "'12:30' is not a duration")]),
    Case("duration out of range", GOOD + "poll: {every: 1s}\n", [(3, 15, "poll.every", "from 10s to 1d")]),
    Case("duration too long for anything", GOOD + "poll: {every: 999999999999w}\n", [(3, 15, "poll.every", "is not a duration")]),
    Case("no value", GOOD + "poll:\n  every:\n  settle: 2d\n", [(4, 9, "poll.every", "has no value, expected a duration")]),
    Case("revise before settle", GOOD + "poll:\n  settle: 9d\n", [(4, 11, "poll.settle", "at least as long as settle")]),
    Case("no number", GOOD + "poll: {threads: four}\n", [(3, 17, "poll.threads", "expected a whole number, found 'four'")]),
    Case("half a thread", GOOD + "poll: {threads: 2.5}\n", [(3, 17, "poll.threads", "expected a whole number")]),
    Case("no thread", GOOD + "poll: {threads: 0}\n", [(3, 17, "poll.threads", "out of range")]),
    Case("infinite rate", GOOD + "poll: {backfill_rate: 1e999}\n", [(3, 23, "poll.backfill_rate", "too large")]),
    Case("not a number", GOOD + "poll: {backfill_rate: .nan}\n", [(3, 23, "poll.backfill_rate", "expected a number")]),
    Case("storm of text", GOOD + "storm_max: [20]\n", [(3, 12, "storm_max", "found a list")]),
    # ---- contracts
    Case("area without a unit", GOOD + "contracts: [{cap: 5000}]\n", [(3, 19, "contracts[0].cap", "the unit is missing")]),
    Case("area in another unit", GOOD + "contracts: [{cap: 5000 acers}]\n", [(3, 19, "contracts[0].cap", "did you mean 'acres'?")]),
    Case("decimal comma", GOOD + "contracts: [{cap: '5,5 ha'}]\n", [(3, 19, "contracts[0].cap", "a comma groups thousands")]),
    Case("negative area", GOOD + "contracts: [{cap: -5 ha}]\n", [(3, 19, "contracts[0].cap", "is not an area")]),
    Case("zero area", GOOD + "contracts: [{cap: 0 ha}]\n", [(3, 19, "contracts[0].cap", "more than 0")]),
    Case("bad glob in a list", GOOD + "contracts:\n  - match: {product: [OK, 'A[B']}\n",
         [(4, 27, "contracts[0].match.product[1]", "has a [ without its ]")]),
    Case("empty glob", GOOD + "contracts: [{match: {product: ''}}]\n", [(3, 31, "contracts[0].match.product", "is empty")]),
    Case("empty list of globs", GOOD + "contracts: [{match: {product: []}}]\n", [(3, 31, "contracts[0].match.product", "empty list")]),
    Case("reversed range", GOOD + "contracts: [{match: {product: '[z-a]*'}}]\n", [(3, 31, "contracts[0].match.product", "empty range z-a")]),
    Case("user in a contract's match", GOOD + "contracts: [{match: {user: x}}]\n",
         [(3, 22, "contracts[0].match.user", "expected one of account, product, region, contract")]),
    Case("unreachable entry", GOOD + "contracts:\n- match: {product: OPER*}\n- match: {product: OPERATIONS_FILE, region: US}\n",
         [(5, 10, "contracts[1].match", "contracts[0] matches the same contracts first")]),
    Case("entry after a catch-all", GOOD + "contracts:\n- {cap: 1 ha}\n- {cap: 2 ha}\n", [(5, 3, "contracts[1]", "is never reached")]),
    Case("meaning of summaries", GOOD + "contracts: [{summary_means: cumulativ}]\n",
         [(3, 29, "contracts[0].summary_means", "did you mean 'cumulative'?")]),
    # ---- rules
    Case("unknown kind", rule("contract_capp"), [(5, 11, "rules[0].kind", "unknown kind 'contract_capp', did you mean 'contract_cap'?")]),
    Case("unknown kind beyond guessing", rule("zzz"), [(5, 11, "rules[0].kind", "expected one of contract_cap")]),
    Case("no kind", GOOD + "rules:\n  - id: one\n", [(4, 5, "rules[0]", "kind is missing")]),
    Case("a word as a rule", GOOD + "rules: [daily_spike]\n", [(3, 9, "rules[0]", "expected a mapping with id and kind")]),
    Case("no id", GOOD + "rules:\n  - kind: contract_cap\n", [(4, 5, "rules[0].id", "is missing")]),
    Case("bad id", GOOD + "rules: [{id: 'a/b', kind: contract_cap}]\n", [(3, 14, "rules[0].id", "cannot be a name")]),
    Case("same id twice", GOOD + "rules:\n- {id: a, kind: contract_cap}\n- {id: a, kind: contract_end}\n",
         [(5, 8, "rules[1].id", "another rule is named 'a' (line 4)")]),
    Case("unknown key of a rule", rule("contract_cap", "thresold: 5"), [(6, 5, "rules[0].thresold", "unknown key, expected one of")]),
    Case("key by another name", rule("contract_cap", "limit: 5 ha"), [(6, 5, "rules[0].limit", "did you mean 'cap'?")]),
    Case("key of another kind", rule("contract_cap", "cap: 1 ha", "share: 5%"),
         [(7, 5, "rules[0].share", "belongs to rules of kind user_cap")]),
    Case("a key like a kind", rule("contract_cap", "contract_cap: {x: 1}"), [(6, 5, "rules[0].contract_cap", "unknown key")]),
    Case("severity", rule("daily_spike", "severity: critcal"), [(6, 15, "rules[0].severity", "did you mean 'critical'?")]),
    Case("yes or no", rule("daily_spike", "enabled: maybe"), [(6, 14, "rules[0].enabled", "expected true or false, found 'maybe'")]),
    Case("taken label", rule("daily_spike", "labels: {team: ops, region: x}"),
         [(6, 25, "rules[0].labels.region", "every alert has")]),
    Case("bad label", rule("daily_spike", "labels:", "  a b: x"), [(7, 7, "rules[0].labels['a b']", "cannot be a name")]),
    Case("former name in use", GOOD + "rules:\n- {id: a, kind: contract_cap}\n- {id: b, kind: contract_end, previous_ids: [a]}\n",
         [(5, 46, "rules[1].previous_ids[0]", "still exists")]),
    Case("tiers fall", rule("contract_cap", "tiers:", "  - {at: 80%}", "  - {at: 50%}"),
         [(8, 14, "rules[0].tiers[1].at", "50% comes after 80%")]),
    Case("tiers repeat", rule("contract_cap", "tiers: [{at: 80%}, {at: 80}]"),
         [(6, 29, "rules[0].tiers[1].at", "tiers must rise")]),
    Case("tiers within the gap", rule("contract_cap", "tiers: [{at: 80%}, {at: 81%}]"),
         [(6, 29, "rules[0].tiers[1].at", "gap of 2 points")]),
    Case("gap above the smallest tier", rule("contract_cap", "gap: 60"),
         [(6, 10, "rules[0].gap", "gap")]),
    Case("no tiers", rule("contract_cap", "tiers: []"), [(6, 12, "rules[0].tiers", "is empty")]),
    Case("percent of nothing", rule("contract_cap", "tiers: [{at: most}]"), [(6, 18, "rules[0].tiers[0].at", "'most' is not a percentage")]),
    Case("tier of zero", rule("contract_cap", "tiers: [{at: 0%}]"), [(6, 18, "rules[0].tiers[0].at", "more than 0%")]),
    Case("tier without at", rule("contract_cap", "tiers: [{severity: info}]"), [(6, 13, "rules[0].tiers[0].at", "is missing")]),
    Case("tier as a word", rule("contract_cap", "tiers: [50%]"), [(6, 13, "rules[0].tiers[0]", "expected a mapping of keys")]),
    Case("unknown key of a tier", rule("contract_cap", "tiers: [{at: 50%, reminder: 7d}]"),
         [(6, 23, "rules[0].tiers[0].reminder", "did you mean 'remind'?")]),
    Case("window", rule("contract_cap", "per: year"), [(6, 10, "rules[0].per", "is not one of term, month, week, day")]),
    Case("user cap without a cap", rule("user_cap"), [(4, 5, "rules[0]", "give `cap`, `share` or `overrides`")]),
    Case("cap and share", rule("user_cap", "cap: 1 ha", "share: 5%"), [(7, 12, "rules[0].share", "give one of the two")]),
    Case("override twice", rule("user_cap", "overrides:", "- {user: A, cap: 1 ha}", "- {user: A, cap: 2 ha}"),
         [(8, 14, "rules[0].overrides[1].user", "'A' has an override already")]),
    Case("override without its cap", rule("user_cap", "overrides:", "- {user: A}"), [(7, 7, "rules[0].overrides[0].cap", "is missing")]),
    Case("absolute without a bar", rule("daily_spike", "method: absolute"), [(6, 13, "rules[0].method", "needs `at_least`")]),
    Case("spike tier below the bar", rule("daily_spike", "tiers: [{at: 100%}]"), [(6, 18, "rules[0].tiers[0].at", "is not above the bar")]),
    Case("bar", rule("daily_spike", "at_least: lots", "method: absolute"), [(6, 15, "rules[0].at_least", "is not an area")]),
    Case("keys without effect", rule("daily_spike", "at_least: 2%", "ratio: 3", "scope: user", "measure: unique"),
         [(6, 5, "rules[0].at_least", "no effect with method auto; it belongs to absolute"),
          (7, 5, "rules[0].ratio", "no effect with method auto; it belongs to ratio"),
          (9, 14, "rules[0].measure", "of whole contracts only")]),
    Case("users of a contract rule", rule("contract_end", "match: {product: A, user: x}"),
         [(6, 25, "rules[0].match.user", "has no effect here")]),
    Case("days repeat", rule("contract_end", "days: [30, 14, {days: 30, severity: info}]"),
         [(6, 27, "rules[0].days[2].days", "30 days is there already")]),
    Case("days repeat, plain", rule("contract_end", "days: [30, 30]"), [(6, 16, "rules[0].days[1]", "there already")]),
    Case("days of text", rule("contract_end", "days: [30, soon]"), [(6, 16, "rules[0].days[1]", "expected a whole number")]),
    Case("days with a bad severity", rule("contract_end", "days: [{days: 3, severity: bad}]"),
         [(6, 32, "rules[0].days[0].severity", "is not one of info, warning, critical")]),
    # ---- channels and routes
    Case("channel without an address", "accounts: [{name: a, token: {env: TOKEN}}]\nchannels:\n  ops: {}\n",
         [(3, 8, "channels.ops.url", "is missing")]),
    Case("no address", "accounts: [{name: a, token: {env: TOKEN}}]\nchannels:\n  ops: {url: hunter2}\n",
         [(3, 14, "channels.ops.url", "expected an address with ://")]),
    Case("bad channel name", "accounts: [{name: a, token: {env: TOKEN}}]\nchannels:\n  ops room: {url: 'console://'}\n",
         [(3, 3, "channels['ops room']", "cannot be a name")]),
    Case("base_url", "accounts: [{name: a, token: {env: TOKEN}}]\nchannels:\n  ops: {url: 'console://', base_url: chat.example}\n",
         [(3, 38, "channels.ops.base_url", "expected an address such as")]),
    Case("route to nowhere", route("  - to: [ops, mial]\n"), [(4, 15, "routes[0].to[1]", "no channel is named 'mial', did you mean 'mail'?")]),
    Case("route to nowhere near", route("  - to: [xyz]\n"), [(4, 10, "routes[0].to[0]", "there are ops, mail")]),
    Case("route to nobody", route("  - to: []\n"), [(4, 9, "routes[0].to", "at least one channel")]),
    Case("route to a word", route("  - to: ops\n"), [(4, 9, "routes[0].to", "expected a list, found a single value")]),
    Case("route without to", route("  - match: {severity: info}\n    channel: ops\n  - to: [ops]\n"),
         [(4, 5, "routes[0].to", "is missing"), (5, 5, "routes[0].channel", "did you mean 'to'?")]),
    Case("last route matches little", route("  - match: {severity: info}\n    to: [ops]\n"),
         [(4, 12, "routes[0].match", "the last route must match everything")]),
    Case("route never reached", route("  - to: [ops]\n  - to: [mail]\n"), [(4, 5, "routes[0]", "never reached")]),
    Case("unknown label", route("  - match: {severty: info}\n    to: [ops]\n  - to: [ops]\n"),
         [(4, 13, "routes[0].match.severty", "did you mean 'severity'?")]),
    Case("unknown value of a label", route("  - match: {severity: [info, critcal]}\n    to: [ops]\n  - to: [ops]\n"),
         [(4, 30, "routes[0].match.severity[1]", "did you mean 'critical'?")]),
    Case("bad regular expression", route("  - match: {product: '~(a'}\n    to: [ops]\n  - to: [ops]\n"),
         [(4, 22, "routes[0].match.product", "is not a regular expression")]),
    Case("not within a list", route("  - match: {product: [a, '!b']}\n    to: [ops]\n  - to: [ops]\n"),
         [(4, 26, "routes[0].match.product[1]", "cannot start with !")]),
    Case("nested match", route("  - match: {product: {a: b}}\n    to: [ops]\n  - to: [ops]\n"),
         [(4, 22, "routes[0].match.product", "expected text or a list of texts")]),
    # ---- the rest
    Case("time zone", GOOD + "messages: {zone: America/Chicgo}\n", [(3, 18, "messages.zone", "did you mean 'America/Chicago'?")]),
    Case("unit", GOOD + "messages: {unit: acres}\n", [(3, 18, "messages.unit", "did you mean 'acre'?")]),
    Case("templates", GOOD + "messages: {templates: nowhere}\n", [(3, 23, "messages.templates", "there is no folder")]),
    Case("database", GOOD + "database: mysql://x/y\n", [(3, 11, "database", "expected a sqlite:/// or postgresql://")]),
    Case("log level", GOOD + "log: {level: loud}\n", [(3, 14, "log.level", "is not one of debug, info, warning, error")]),
    Case("after wide characters", GOOD + "log: {level: info, 'größe': 1, format: xml}\n",
         [(3, 20, "log['gr\\xf6\\xdfe']", "unknown key"), (3, 40, "log.format", "is not one of logfmt, json")]),
]  # fmt: skip


def problems_of(text: str | bytes, tmp_path: Path) -> tuple[Problem, ...]:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        read_config(raw, tmp_path / "alerter.yaml", env=ENV)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_broken_config_gets_exact_place_path_and_reason(case: Case, tmp_path: Path) -> None:
    found = problems_of(case.text, tmp_path)
    assert [(one.line, one.column, one.path) for one in found] == [expected[:3] for expected in case.expected], found
    for problem, (*_, fragment) in zip(found, case.expected, strict=True):
        assert fragment in problem.message
        assert problem.file == str(tmp_path / "alerter.yaml")


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


MANY = """\
acounts: []
accounts:
  - name: prod
    username: {env: LEAF_USERNAME}
    pasword: hunter2
  - name: prod
    token: {env: TOKEN}
    base_url: http://api.example.com
poll: {every: 15, threads: x, every: 3m}
contracts:
  - match: {product: 'A[B'}
    cap: 800000 acers
rules:
  - id: a
    kind: contract_capp
  - id: b
    kind: contract_cap
    tiers: [{at: 80%, severity: bad}, {at: 50%, remind: often}]
    labels: {kind: x}
  - id: b
    kind: contract_end
    days: [1, 1, x]
channels:
  ops: {url: nonsense, extra: 1}
routes:
  - match: {severty: info}
    to: [opps]
messages: {zone: Mars/Base}
"""

MANY_PLACES = [
    (1, 1, "acounts"), (3, 5, "accounts[0].password"), (4, 15, "accounts[0].username"), (5, 5, "accounts[0].pasword"),
    (6, 11, "accounts[1].name"), (8, 15, "accounts[1].base_url"), (9, 15, "poll.every"), (9, 28, "poll.threads"),
    (9, 31, "poll.every"), (11, 22, "contracts[0].match.product"), (12, 10, "contracts[0].cap"),
    (15, 11, "rules[0].kind"), (18, 33, "rules[1].tiers[0].severity"), (18, 44, "rules[1].tiers[1].at"), (18, 57, "rules[1].tiers[1].remind"),
    (19, 14, "rules[1].labels.kind"), (20, 9, "rules[2].id"), (22, 18, "rules[2].days[2]"),
    (24, 14, "channels.ops.url"), (24, 24, "channels.ops.extra"), (26, 12, "routes[0].match"),
    (26, 13, "routes[0].match.severty"), (27, 10, "routes[0].to[0]"), (28, 18, "messages.zone"),
]  # fmt: skip


def test_all_problems_of_a_file_come_in_one_run_in_its_order(tmp_path: Path) -> None:
    found = problems_of(MANY, tmp_path)
    assert [(one.line, one.column, one.path) for one in found] == MANY_PLACES, "\n".join(map(str, found))


def test_no_message_repeats_a_secret(tmp_path: Path) -> None:
    text = """\
accounts:
  - {name: a, pasword: hunter2, token: {hunter2: hunter2, x: y}}
  - {name: b, token: {env: "hunter2!"}}
  - {name: c, username: "${env:HUNTER}", password: [hunter2], proxy: "ftp://u:hunter2@x"}
  - {name: d, token: {credential: "hunter2/"}, base_url: "https://u:hunter2@x"}
channels: {ops: {url: hunter2}, "${env:HUNTER}": {url: "console://"}}
poll: {every: "${env:HUNTER}", threads: "${env:HUNTER}"}
contracts: [{cap: "${env:HUNTER}", match: {product: "[${env:HUNTER}"}}]
database: "hunter2://x"
log: {level: "${env:HUNTER}"}
messages: {zone: "${env:HUNTER}"}
"""
    with pytest.raises(ConfigError) as caught:
        read_config(text.encode(), tmp_path / "a.yaml", env={"HUNTER": "hunter2"})
    assert len(caught.value.problems) >= 14
    assert "hunter2" not in str(caught.value)


def test_bytes_that_are_not_utf8_are_named_with_their_place(tmp_path: Path) -> None:
    (problem,) = problems_of(b"a: 1\nb: caf\xe9\n", tmp_path)
    assert (problem.line, problem.column) == (2, 7)
    assert "0xe9" in problem.message
    (problem,) = problems_of("accounts: []\n".encode("utf-16"), tmp_path)
    assert (problem.line, problem.column) == (1, 1)


def test_more_than_a_mebibyte_is_no_config(tmp_path: Path) -> None:
    (problem,) = problems_of(b"#" * (1 << 20) + b"\n", tmp_path)
    assert "1 MiB" in problem.message


def test_an_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        text += f"{name}: &{name} [" + ", ".join([f"*{before}"] * 9) + "]\n"
    found = problems_of(text, tmp_path)
    assert sum("aliases" in one.message for one in found) == 72


def test_a_file_of_nothing_but_mistakes_is_answered_in_bounds(tmp_path: Path) -> None:
    found = problems_of("".join(f"k{index}: 1\n" for index in range(50_000)), tmp_path)
    assert len(found) == 1001
    assert "problems more" in found[-1].message


def test_deep_nesting_is_refused_before_it_hurts(tmp_path: Path) -> None:
    for opening in ("[", "{a: "):
        (problem,) = problems_of("a: " + opening * 50_000, tmp_path)
        assert "20 levels" in problem.message


FULL = (
    GOOD
    + """\
poll: {every: 15m, settle: 2d, revise: 7d}
contracts:
  - match: {product: OPERATIONS_FILE}
    cap: 800000 acre
rules:
  - id: contract-cap
    kind: contract_cap
    tiers: [{at: 50%, severity: info}, {at: 100%, severity: critical, remind: 1d}]
  - {id: term-end, kind: contract_end, days: [60, {days: 7, severity: critical}]}
routes:
  - match: {severity: [critical, "~w.*"]}
    to: [ops]
    continue: yes
  - to: [mail]
"""
)


def answer_to(raw: bytes, path: Path) -> tuple[Problem, ...]:
    """The problems of a file, none where it loads; an error without a problem is a failure."""
    try:
        read_config(raw, path, env=ENV)
    except ConfigError as error:
        return error.problems or pytest.fail("a ConfigError without a problem")
    return ()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_file_it_loads_or_is_answered(data: st.DataObject) -> None:
    raw = bytearray(FULL.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 12)))
        raw[start:end] = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b": ", b"\n", b"[", b"*a", b"&a ", b"{", b"- "]))
        )
    found = answer_to(bytes(raw), Path("/nowhere/alerter.yaml"))
    lines = bytes(raw).count(b"\n") + bytes(raw).count(b"\r") + 1
    assert all(0 <= problem.line <= lines + 1 for problem in found)


@pytest.mark.parametrize("size", range(0, len(FULL), 7))
def test_a_half_written_file_loads_or_is_answered(size: int, tmp_path: Path) -> None:
    answer_to(FULL.encode()[:size], tmp_path / "alerter.yaml")


WORDS = [
    *json_schema()["properties"],
    *(key for model in json_schema()["$defs"].values() for key in model["properties"]),
]
TREES = st.recursive(
    st.one_of(
        st.none(), st.integers(-5, 500), st.booleans(),
        st.sampled_from(["50%", "5 ha", "15m", "contract_cap", "user_cap", "daily_spike", "contract_end", "daily_spik", "ops",
                         "warning", "absolute", "user", "", "*", "[", "~(", "!x", "${env:TOKEN}", "${x}", "console://", "UTC"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from([*WORDS, "a b", "ops", "kinds"]), inner, max_size=6)
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["accounts", "contracts", "rules", "channels", "routes", *WORDS]), TREES, max_size=6
    )
)
def test_known_keys_in_any_wrong_shape_are_answered(tree: dict[str, object]) -> None:
    found = answer_to(yaml.safe_dump(tree or {"a": 1}).encode(), Path("/nowhere/alerter.yaml"))
    assert found, "accounts and channels cannot both be right by chance"
    assert all(problem.line > 0 for problem in found)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "id": st.just("a"),
            "kind": st.sampled_from(["contract_cap", "user_cap", "daily_spike", "contract_end", "zzz"]),
        }
    ),
    st.dictionaries(
        st.sampled_from(sorted({key for model in json_schema()["$defs"].values() for key in model["properties"]})),
        TREES,
        max_size=5,
    ),
)
def test_a_rule_of_any_shape_loads_or_is_answered(rule: dict[str, object], more: dict[str, object]) -> None:
    text = GOOD + yaml.safe_dump({"rules": [more | rule]})
    assert all(problem.line >= 3 for problem in answer_to(text.encode(), Path("/nowhere/alerter.yaml")))
