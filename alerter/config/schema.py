"""The config file as pydantic models: what every key takes, means and defaults to.

Names, descriptions and defaults here are the source of the example file, of the JSON schema and of docs/interface.md.
Defaults are written the way the file writes them and go through the same readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from alerter.config.addresses import Proxy, Server
from alerter.config.base import Section, setting
from alerter.config.matching import ContractMatch, LabelMatch
from alerter.config.rule_schema import AnyRule, default_rules
from alerter.config.secrets import Secret, SecretText, Sources, secret_of
from alerter.config.values import (
    Day,
    Globs,
    Slug,
    SomeArea,
    Text,
    YesNo,
    Zone,
    all_wrong,
    at,
    duration,
    number,
    parse_text,
    words,
    wrong,
)
from alerter.core.model import Contract
from alerter.core.rules.base import Match
from alerter.errors import Problem


# ------------------------------------------------------------------ what is watched
class AccountConfig(Section):
    """One Leaf login and all contracts that it sees."""

    name: Slug = Field(description="Your name for the account; keep it, for state hangs on it.")
    base_url: Server = setting("https://api.withleaf.io", "The API server; the paths are appended.")
    username: SecretText | None = setting(None, "The login's user name; plain text will do.")
    password: SecretText | None = setting(None, "The login's password, as a secret.")
    token: SecretText | None = setting(None, "A bearer token instead of username and password; it is not renewed.")
    proxy: Proxy | None = Field(default=None, description="An HTTP proxy for this account.", repr=False)
    names: YesNo = setting(True, "Ask the API for the users' names, for messages.")
    aliases: dict[Text, Text] = setting({}, "Names of your own for Leaf users: user id to name.")

    @field_validator("token")
    @classmethod
    def _one_way_in(cls, token: Secret | None, info: ValidationInfo) -> Secret | None:
        given = {key: info.data[key] for key in ("username", "password") if key in info.data}
        missing = [key for key, value in given.items() if value is None]
        if token is not None and len(given) > len(missing):
            raise wrong("stands beside username or password; give either a token or both of these")
        if token is None and len(missing) == 2:
            raise all_wrong([at(("..",), "no way to log in: give username and password, or a token")])
        if token is None and missing:
            raise all_wrong([at(("..", missing[0]), "is missing")])
        return token


class PollConfig(Section):
    """How often and how hard the API is asked."""

    every: Annotated[timedelta, *duration("10s", "1d")] = setting("15m", "Time between two polls of an account.")
    settle: Annotated[timedelta, *duration("0s", "60d")] = setting(
        "2d", "A day counts as settled this long after it ended; spike bars are made of settled days."
    )
    revise: Annotated[timedelta, *duration("1d", "90d")] = setting(
        "7d", "Days are read again this long, to catch late revisions; then they are final. At least `settle`."
    )
    threads: Annotated[int, *number(1, 64, whole=True)] = setting(
        4, "Contracts, and days of a first fill, read at once per account."
    )
    deadline: Annotated[timedelta, *duration("1s", "10m")] = setting("30s", "Give up on one call after this time.")
    backfill_rate: Annotated[float, *number(0, 1000, above=True)] | None = setting(
        None, "Calls per second while history is loaded; unset: 5, and unlimited towards this machine."
    )

    @field_validator("revise")
    @classmethod
    def _no_earlier_than_settle(cls, revise: timedelta, info: ValidationInfo) -> timedelta:
        if revise < info.data.get("settle", revise):
            raise all_wrong([at((), "revise must be at least as long as settle", instead=("..", "settle"))])
        return revise


class ContractConfig(Section):
    """What you know about a contract and the API does not say; the first entry that matches counts."""

    match: ContractMatch = setting({}, "Which contracts this is about: by account, product, region, contract id.")
    cap: SomeArea | None = setting(None, "The area bought for the term, with its unit.")
    name: Text | None = setting(None, "What people call this contract.")
    summary_means: Annotated[str, *words("auto", "cumulative", "daily")] = setting(
        "auto",
        "What the per-user areas of a daily summary are: the total since the term's start (cumulative) or that "
        "day's alone (daily); auto finds it out from the data and says so.",
    )

    def covers(self, contract: Contract) -> bool:
        """Say whether this entry is about `contract`."""
        return self.match.covers(contract)


class PlannedConfig(Section):
    """Activity that is expected: spikes of exactly these subjects on these days are no news; caps stay live."""

    first_on: Day = Field(description="The first UTC day.", alias="from")
    last_on: Day = Field(description="The last UTC day, included.", alias="to")
    account: Globs = setting((), "Whom it is about: names of accounts; what is left out matches everything.")
    product: Globs = setting((), "Products, as the API spells them.")
    region: Globs = setting((), "Regions.")
    contract: Globs = setting((), "Contract ids.")
    user: Globs = setting((), "Leaf users, by id or by name; then only their own spikes are meant.")
    reason: Text | None = setting(None, "Why, for whoever asks where the alert was.")

    @field_validator("last_on")
    @classmethod
    def _not_before_it_begins(cls, last_on: date, info: ValidationInfo) -> date:
        first_on = info.data.get("first_on", last_on)
        if last_on < first_on:
            raise wrong(f"{last_on} lies before `from`, {first_on}")
        return last_on

    def globs(self) -> Match:
        """Return whom it is about."""
        return Match(
            account=self.account, product=self.product, region=self.region, contract=self.contract, user=self.user
        )


# ------------------------------------------------------------------ where messages go
class ChannelConfig(Section):
    """A place messages are sent to."""

    url: SecretText = Field(
        description="An Apprise address (slack://…, mailto://…, and a hundred more) or console:// for standard output."
    )
    base_url: Server | None = setting(None, "The server of a Slack-compatible service; not needed for Slack itself.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: Secret) -> Secret:
        scheme, found, _ = url.reveal().partition("://")
        if not found or not scheme.replace("+", "").replace("-", "").isalnum():
            raise wrong("expected an address with ://, such as slack://…, mailto://… or console://")
        return url


class RouteConfig(Section):
    """Who is told what; the first route whose match fits is taken."""

    match: LabelMatch = setting(
        {},
        "Labels that must all fit: rule, kind, severity, account, product, region, contract, user, or your own. "
        'A value is exact ("critical"), a glob ("prod-*"), a regular expression ("~prod|test"), the opposite of one '
        '("!info"), or a list of which one must fit.',
    )
    to: tuple[Text, ...] = Field(description="The channels that are told.")
    go_on: YesNo = setting(False, "Look at the following routes as well.", alias="continue")

    @field_validator("to")
    @classmethod
    def _names_somebody(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        if not to:
            raise wrong("is empty; name at least one channel")
        return to


class MessagesConfig(Section):
    """How messages read."""

    unit: Annotated[str, *words("as_reported", "acre", "hectare")] = setting(
        "as_reported", "The unit of areas; as_reported keeps the API's."
    )
    zone: Zone = setting("UTC", "Of the times in messages; days stay UTC days, as the API counts them.")
    digits: Annotated[int, *number(1, 10, whole=True)] = setting(3, "Significant digits of figures.")
    templates: Path | None = setting(None, "A folder of your own message templates, relative to this file.")
    public_url: Server | None = setting(None, "Where people reach the status page, for links in messages.")

    @field_validator("templates", mode="plain")
    @classmethod
    def _is_a_folder(cls, value: object, info: ValidationInfo) -> Path | None:
        if value is None or isinstance(value, Path):
            return value
        folder = info.context.folder if isinstance(info.context, Sources) else Path()
        path: Path = folder / parse_text(value)
        if not path.is_dir():
            raise wrong(f"there is no folder {path}")
        return path


class LogConfig(Section):
    """What the daemon logs to standard error."""

    level: Annotated[str, *words("debug", "info", "warning", "error")] = setting("info", "The least important to log.")
    format: Annotated[str, *words("logfmt", "json")] = setting("logfmt", "key=value pairs, or one JSON object a line.")


# ------------------------------------------------------------------ the whole
def _read_database(value: object, info: ValidationInfo) -> str:
    """Return the database's URL: as written, an SQLite path made absolute, or the default place."""
    sources = info.context if isinstance(info.context, Sources) else Sources(env={}, folder=Path())
    if value is None:
        state = sources.env.get("STATE_DIRECTORY", "").split(":")[0]
        return _sqlite_url((Path(state) if state else sources.folder) / "alerter.db")
    try:
        text = secret_of(value, replace(sources, secrets=True)).reveal()
    except ValueError:
        if sources.secrets:
            raise
        return ""  # the rest of the config is of use all the same
    scheme, found, rest = text.partition("://")
    if not found:
        return _sqlite_url(sources.folder / text)
    if scheme == "sqlite":
        return _sqlite_url(sources.folder / rest.removeprefix("/")) if rest.strip("/") else text
    if scheme in ("postgresql", "postgresql+psycopg"):
        return text
    raise wrong("expected a sqlite:/// or postgresql:// address, or the path of an SQLite file")


def _sqlite_url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"


Database = Annotated[str, PlainValidator(_read_database), WithJsonSchema({"type": ["string", "object"]})]


class Config(Section):
    """The whole config file, read and checked."""

    accounts: tuple[AccountConfig, ...] = Field(description="The Leaf logins to watch.")
    poll: PollConfig = setting({}, "How often and how hard the API is asked.")
    contracts: tuple[ContractConfig, ...] = setting(
        (), "What you know about your contracts, above all the area bought. The first entry that matches counts."
    )
    rules: tuple[AnyRule, ...] = Field(
        default_factory=default_rules,
        validate_default=True,
        description="What is worth a message. Without rules: a spike, a contract's cap and a term's end.",
    )
    planned: tuple[PlannedConfig, ...] = setting(
        (), "Activity that you expect: spikes of exactly these subjects on these days are no news. Caps stay live."
    )
    channels: dict[Slug, ChannelConfig] = Field(description="Where messages go: a name of yours, and an address.")
    routes: tuple[RouteConfig, ...] = setting(
        (), "Who is told what. Without routes everything goes to every channel; the last route must match everything."
    )
    messages: MessagesConfig = setting({}, "How messages read.")
    storm_max: Annotated[int, *number(1, 1000, whole=True)] = setting(
        20, "More new alerts than this in one poll become one message with the worst on top."
    )
    database: Database = Field(
        default=None,
        validate_default=True,
        repr=False,
        description="Where state is kept: postgresql://… or the path of an SQLite file. Unset: alerter.db in "
        "$STATE_DIRECTORY (systemd sets it), else beside this file.",
    )
    log: LogConfig = setting({}, "What the daemon logs to standard error.")

    _path: Path = Path("alerter.yaml")
    _places: Mapping[tuple[str | int, ...], tuple[int, int]] = {}
    _secrets: tuple[str, ...] = ()
    _warnings: tuple[Problem, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_are_missing(cls, value: Any) -> Any:
        """Let `rules:` with everything below commented out mean the same as no `rules` at all."""
        if not isinstance(value, dict):
            return value
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {key: item for key, item in value.items() if key not in optional or item not in (None, [], {})}

    @field_validator("accounts", "channels", mode="before")
    @classmethod
    def _not_empty(cls, value: Any, info: ValidationInfo) -> Any:
        if value in (None, [], {}, ()):
            what = (
                "an account" if info.field_name == "accounts" else "a channel, for a start console: {url: console://}"
            )
            raise wrong(f"is empty; at least one is needed: {what}")
        return value

    def remember(
        self,
        path: Path,
        *,
        places: Mapping[tuple[str | int, ...], tuple[int, int]],
        secrets: tuple[str, ...],
        warnings: tuple[Problem, ...],
    ) -> None:
        """Keep the file this was read from, where things stand in it, and what was noticed."""
        self._path, self._places, self._secrets, self._warnings = path, places, secrets, warnings

    def position(self, *path: str | int) -> tuple[int, int]:
        """Return line and column of what is written at a path such as ("channels", "ops", "url"), or around it."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, (0, 0))

    @property
    def path(self) -> Path:
        """The file this was read from."""
        return self._path

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that logs must not show, the longest first."""
        return self._secrets

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but worth a look: secrets written out, defaults taken, in the order of the file."""
        return self._warnings

    @property
    def has_default_rules(self) -> bool:
        """Whether the file names no rule, so that the default ones are in force."""
        return "rules" not in self.model_fields_set

    def contract_entry(self, contract: Contract) -> tuple[str, ContractConfig] | None:
        """Return the first `contracts` entry for `contract` and its place (`contracts[0]`), or None."""
        for index, entry in enumerate(self.contracts):
            if entry.covers(contract):
                return f"contracts[{index}]", entry
        return None


def json_schema() -> dict[str, Any]:
    """Return the config's JSON schema, for editors."""
    return Config.model_json_schema(mode="validation") | {"title": "alerter config"}
