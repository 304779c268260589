from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerter.errors import ConfigError, SchemaError, StoreBusy, StoreError, StoreHeld
from alerter.store import Store, engine, migrate
from tests.postgres import PostgresServer
from tests.store_samples import HOUR, LEASE, NOW, TODAY, one_contract, stored, summary, usage_at

HOLDER = """
import sys
from alerter.store import Store
Store(sys.argv[1]).hold("first daemon")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'alerter.db'}"
    migrate.upgrade(url)
    return url


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    key = one_contract(store)

    def fail() -> None:
        with store.write() as tx:
            tx.journal.put("a", {}, NOW)
            tx.usage.add_snapshot(key, NOW, TODAY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as tx:
        assert tx.journal.get("a") is None
        assert tx.usage.newest_snapshot(key) is None


def test_writers_wait_for_one_another_and_lose_no_update(database_url: str, store: Store) -> None:
    stores = [store, Store(database_url)]
    with store.write() as tx:
        tx.accounts.sync(["main"], NOW)
        tx.journal.put("n", {"n": 0}, NOW)

    def work(own: Store) -> None:
        for _ in range(10):
            with own.write() as tx:
                tx.accounts._lock_account(1)
                fact = tx.journal.get("n") or {}
                tx.journal.put("n", {"n": fact["n"] + 1}, NOW)

    threads = [threading.Thread(target=work, args=(stores[n % 2],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1].close()
    with store.read() as tx:
        assert tx.journal.get("n") == {"n": 40}


def test_a_reader_sees_one_state_while_others_write(database_url: str, store: Store) -> None:
    other = Store(database_url)
    with store.read() as tx:
        assert tx.journal.get("a") is None
        with other.write() as writing:
            writing.journal.put("a", {}, NOW)
        assert tx.journal.get("a") is None
    with store.read() as tx:
        assert tx.journal.get("a") == {}
    other.close()


def test_a_database_in_memory_needs_no_preparation() -> None:
    store = Store("sqlite://")
    key = one_contract(store)
    snapshot_id = stored(store, key, summary(TODAY, {"a": 1.5}))
    assert usage_at(store, key, snapshot_id).user_areas.tolist() == [[1.5]]
    with pytest.raises(StoreError), store.write() as tx:
        tx.usage.save_meaning(77, "users", "daily", {}, NOW)
    assert usage_at(store, key, snapshot_id).user_areas.tolist() == [[1.5]]
    store.hold("nobody else can see it")
    store.close()


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "", "sqlite+pysqlcipher:///x", "postgresql+asyncpg://h/d"])
def test_any_other_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="is not sqlite:///FILE or postgresql://"):
        Store(url)


def test_a_new_sqlite_file_is_its_owners_alone(sqlite_url: str, tmp_path: Path) -> None:
    store = Store(sqlite_url)
    store.hold("me")
    one_contract(store)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert {"alerter.db", "alerter.db-wal", "alerter.db.lock"} <= {file.name for file in tmp_path.iterdir()}
    store.close()


def test_sqlite_is_durable_checked_and_patient(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    with store.engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in (
            "journal_mode", "synchronous", "foreign_keys", "busy_timeout")}  # fmt: skip
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    store.close()


def test_a_database_locked_by_another_program_is_busy(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 0.1)
    quick = engine.open_engine(engine.parse_url(sqlite_url), busy=0.1)
    shell = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked by another process"), engine.begin(quick, writes=True):
        pass
    with engine.begin(quick, writes=False) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    shell.close()
    quick.dispose()


def test_a_missing_database_is_not_silently_made_again(tmp_path: Path, sqlite_url: str) -> None:
    with pytest.raises(StoreError, match="no database"), Store(f"sqlite:///{tmp_path / 'none.db'}").read():
        pass
    assert not (tmp_path / "none.db").exists()
    store = Store(sqlite_url)
    one_contract(store)
    file = tmp_path / "alerter.db"
    shutil.move(file, tmp_path / "moved.db")
    with pytest.raises(StoreError, match="no database"):
        one_contract(store)
    shutil.copy(tmp_path / "moved.db", file)
    with pytest.raises(StoreError, match="replaced"), store.read():
        pass
    store.close()


@pytest.mark.parametrize("content", [b"this is a text, not a database " * 50, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database_is_an_error_with_a_hint(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "alerter.db"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="restore a backup"):
        migrate.upgrade(f"sqlite:///{file}")
    assert file.read_bytes() == content


def test_a_full_disk_is_an_error_and_the_store_recovers(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    one_contract(store)
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(store.engine, "checkout", limit)
    with pytest.raises(StoreError, match="disk is full") as caught, store.write() as tx:
        tx.journal.put("a", {"x": "y" * 100_000}, NOW)
    assert not isinstance(caught.value, StoreBusy)
    sa.event.remove(store.engine, "checkout", limit)
    store.engine.dispose()
    with store.write() as tx:
        assert tx.journal.get("a") is None
        tx.journal.put("a", {}, NOW)
    store.close()


def test_errors_quote_no_values(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.write() as tx:
        tx.accounts._run(sa.text("INSERT INTO journal (key) VALUES (:secret)"), [{"secret": "hush-hush"}])
    assert "hush" not in str(caught.value)


def test_an_empty_database_is_answered_with_what_to_do(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        sqlite3.connect(database_url.removeprefix("sqlite:///")).close()
        Path(database_url.removeprefix("sqlite:///")).touch()
    store = Store(database_url)
    with pytest.raises(SchemaError, match="alerter db upgrade"), store.read() as tx:
        tx.accounts.states()
    store.close()


# ------------------------------------------------------------------ one daemon per SQLite file
def test_a_second_daemon_is_told_who_holds_the_database(sqlite_url: str, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, sqlite_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    store = Store(sqlite_url)
    with pytest.raises(StoreHeld, match=rf"first daemon, pid {holder.pid} on .*, since 20.*stop it first") as caught:
        store.hold("second daemon")
    assert caught.value.exit_code == 75
    assert json.loads((tmp_path / "alerter.db.lock").read_text())["pid"] == holder.pid
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    store.hold("second daemon")
    store.hold("second daemon")
    assert json.loads((tmp_path / "alerter.db.lock").read_text())["pid"] == os.getpid()
    store.close()
    third = Store(sqlite_url)
    third.hold("third daemon")
    third.close()


def test_a_held_database_can_still_be_read_and_written_by_commands(sqlite_url: str) -> None:
    store, command = Store(sqlite_url), Store(sqlite_url)
    store.hold("daemon")
    one_contract(command)
    with command.read() as tx:
        assert len(tx.usage.contracts()) == 1
    command.close()
    store.close()


# ------------------------------------------------------------------ Postgres comes and goes
def test_a_killed_backend_is_busy_and_the_next_transaction_works(postgres_server: PostgresServer) -> None:
    url = postgres_server.url()
    migrate.upgrade(url)
    store = Store(url)
    key = one_contract(store)

    def cut() -> None:
        with store.write() as tx:
            tx.usage.add_snapshot(key, NOW, TODAY)
            pid = tx.usage._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            postgres_server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            tx.usage.add_snapshot(key, NOW, TODAY)

    with pytest.raises(StoreBusy, match="busy or away"):
        cut()
    with store.write() as tx:
        assert tx.usage.newest_snapshot(key) is None
        assert tx.accounts.claim("one", NOW + HOUR, LEASE, ["main"], 1)
    store.close()


def test_an_absent_postgres_is_busy_not_fatal(tmp_path: Path) -> None:
    store = Store(f"postgresql://alerter@/nowhere?host={tmp_path}")
    with pytest.raises(StoreBusy, match="busy or away"), store.read():
        pass
    store.close()


def test_a_postgres_that_refuses_us_is_an_error_that_waiting_does_not_help(postgres_server: PostgresServer) -> None:
    store = Store(postgres_server.url().replace("/postgres?", "/nobodys?"))
    with pytest.raises(StoreError, match=r"nobodys.*does not exist") as caught, store.read():
        pass
    assert not isinstance(caught.value, StoreBusy)
    store.close()


def test_binaries_that_the_unprivileged_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs Postgres as another user")
    hidden = tmp_path / "hidden"
    shutil.copytree(postgres_server.binaries.parent, hidden / "inner" / postgres_server.binaries.parent.name)
    libraries = postgres_server.binaries.parents[1].with_name(f"{postgres_server.binaries.parents[1].name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / "inner.libs")
    hidden.chmod(0o700)
    monkeypatch.setenv("PG_BIN", str(hidden / "inner" / postgres_server.binaries.parent.name / "bin"))
    server = PostgresServer()
    assert migrate.check(server.url()).state == "none"
    server.stop()
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
