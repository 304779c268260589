"""From the config's routes to the core's."""

from __future__ import annotations

from alerter.config.schema import Config
from alerter.core.routing import Matcher, Route


def build_routes(config: Config) -> tuple[Route, ...]:
    """Return the routes in order; without any, one that tells every channel everything."""
    if not config.routes:
        return (Route(to=tuple(config.channels)),)
    return tuple(
        Route(
            matchers=tuple(Matcher(label, op, value) for label, (op, value) in route.match.items()),
            to=route.to,
            go_on=route.go_on,
        )
        for route in config.routes
    )
