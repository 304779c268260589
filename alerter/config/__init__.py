"""The config file: its schema, its reader, its example, and what the core makes of it."""

from alerter.config.example import example_text
from alerter.config.load import load_config, read_config
from alerter.config.routes import build_routes
from alerter.config.rules import build_planned, build_rules
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
    json_schema,
)
from alerter.config.secrets import Secret

__all__ = [
    "AccountConfig",
    "ChannelConfig",
    "Config",
    "ContractConfig",
    "LogConfig",
    "MessagesConfig",
    "PlannedConfig",
    "PollConfig",
    "RouteConfig",
    "Secret",
    "build_planned",
    "build_routes",
    "build_rules",
    "example_text",
    "json_schema",
    "load_config",
    "read_config",
]
