"""Fixtures for every folder of tests: a database of either kind, and a store on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerter.store import Store, migrate
from tests.postgres import NoPostgresError, PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres for all tests of this process; REQUIRE_PG=1 makes its absence a failure."""
    try:
        server = PostgresServer()
    except NoPostgresError as error:
        if os.environ.get("REQUIRE_PG") == "1":
            pytest.fail(f"REQUIRE_PG=1, but {error}", pytrace=False)
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database without any table; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'alerter.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a migrated, empty database of either kind."""
    migrate.upgrade(database_url)
    opened = Store(database_url)
    yield opened
    opened.close()
