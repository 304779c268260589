"""Build everything that follows from a config, whole or not at all: rules, routes, API clients, channels, templates."""

from __future__ import annotations

import ipaddress
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from alerter.app.clock import Clock
from alerter.app.compose import Composer
from alerter.app.entries import cap_of, configured_meaning
from alerter.app.ports import UsageSource
from alerter.app.settings import CycleSettings, PollSettings
from alerter.config import AccountConfig, Config, build_planned, build_routes, build_rules
from alerter.core.model import Settling
from alerter.errors import ConfigError, Problem
from alerter.leaf import CallRecord, LeafClient, Password, Token
from alerter.notify import Channel, MessageSettings, Renderer, check_templates, open_channel

DEFAULT_RATE = 5.0  # calls a second of a first fill


class Calls:
    """Counts API calls by endpoint; `beat` is called at each, for it shows that work moves."""

    def __init__(self, account: str, beat: Callable[[str], None]) -> None:
        self._account = account
        self._beat = beat
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, call: CallRecord) -> None:
        """Count one call."""
        self._beat(self._account)
        with self._lock:
            self._counts[call.endpoint] += 1

    def take(self) -> Counter[str]:
        """Return the counts since the last time and start anew."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One config, built; a reload builds another one and swaps."""

    config: Config
    cycle: CycleSettings
    composer: Composer
    channels: Mapping[str, Channel]
    renderer: Renderer
    sources: Mapping[str, UsageSource]  # by account
    polls: Mapping[str, PollSettings]
    calls: Mapping[str, Calls]

    def close(self) -> None:
        """Abort API calls in flight and let go of the sockets."""
        for source in self.sources.values():
            source.close()


def build_plan(config: Config, *, clock: Clock, stop: threading.Event, beat: Callable[[str], None]) -> Plan:
    """Build a Plan; raise ConfigError with every channel and template that cannot be used."""
    problems: list[Problem] = []
    channels = _channels(config, problems)
    if config.messages.templates is not None:
        problems += check_templates(config.messages.templates)
    if problems:
        raise ConfigError(problems)
    rules = build_rules(config)
    calls = {account.name: Calls(account.name, beat) for account in config.accounts}
    recipients = {name: tuple(one.id for one in channel.recipients) for name, channel in channels.items()}
    return Plan(
        config=config,
        cycle=CycleSettings(
            rules=rules,
            planned=build_planned(config),
            routes=build_routes(config),
            recipients=recipients,
            settling=_settling(config),
            storm_max=config.storm_max,
            cap_of=partial(cap_of, config),
            aliases={account.name: account.aliases for account in config.accounts},
            every=config.poll.every,
            first_account=config.accounts[0].name,
            renamed={old: rule.id for rule in config.rules for old in rule.previous_ids},
        ),
        composer=Composer(
            channel_of={recipient: name for name, ids in recipients.items() for recipient in ids},
            rules={rule.id: rule for rule in rules},
        ),
        channels=channels,
        renderer=build_renderer(config),
        sources={one.name: _source(one, config, clock, stop, calls[one.name]) for one in config.accounts},
        polls={account.name: _poll_settings(account, config) for account in config.accounts},
        calls=calls,
    )


def build_renderer(config: Config) -> Renderer:
    """Build the renderer of the config's message settings and templates."""
    messages = config.messages
    settings = MessageSettings(
        unit=messages.unit, zone=messages.zone, digits=messages.digits, public_url=messages.public_url or ""
    )
    return Renderer(settings, messages.templates)


def _channels(config: Config, problems: list[Problem]) -> dict[str, Channel]:
    channels = {}
    for name, channel in config.channels.items():
        try:
            channels[name] = open_channel(name, channel.url.reveal(), base_url=channel.base_url)
        except ValueError as error:
            line, column = config.position("channels", name, "url")
            problems.append(Problem(str(config.path), line, column, f"channels.{name}.url", str(error)))
    return channels


def _settling(config: Config) -> Settling:
    return Settling(settle=config.poll.settle, revise=config.poll.revise)


def _source(account: AccountConfig, config: Config, clock: Clock, stop: threading.Event, calls: Calls) -> LeafClient:
    credentials: Password | Token
    if account.token is not None:
        credentials = Token(account.token.reveal())
    elif account.username is not None and account.password is not None:
        credentials = Password(account.username.reveal(), account.password.reveal())
    else:  # the schema refuses it
        raise ConfigError([Problem(str(config.path), 0, 0, f"accounts.{account.name}", "has no credentials")])
    return LeafClient(
        base_url=account.base_url,
        credentials=credentials,
        monotonic=clock.monotonic,
        now=clock.now,
        wait=lambda seconds: clock.wait(seconds, stop),
        deadline=config.poll.deadline.total_seconds(),
        proxy=account.proxy,
        on_call=calls.note,
    )


def _poll_settings(account: AccountConfig, config: Config) -> PollSettings:
    rate = config.poll.backfill_rate
    if rate is None and not _is_loopback(account.base_url):
        rate = DEFAULT_RATE
    return PollSettings(
        settling=_settling(config),
        threads=config.poll.threads,
        backfill_rate=rate,
        names=account.names,
        summary_means=partial(configured_meaning, config),
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
