"""The Leaf API simulated over real HTTP: for the demo, the tests, and users who try their config."""

from alerter.sandbox.clock import SandboxClock
from alerter.sandbox.faults import Effect, FaultRule, Faults
from alerter.sandbox.replies import RequestRecord
from alerter.sandbox.scenario import Scenario
from alerter.sandbox.scenario_file import demo_scenario, load_scenario, parse_scenario
from alerter.sandbox.server import SandboxServer
from alerter.sandbox.world import World

__all__ = [
    "Effect",
    "FaultRule",
    "Faults",
    "RequestRecord",
    "SandboxClock",
    "SandboxServer",
    "Scenario",
    "World",
    "demo_scenario",
    "load_scenario",
    "parse_scenario",
]
