from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerter.core.quality import refused as refusal
from alerter.core.states import Alert, Draft, Status
from alerter.errors import SchemaError
from alerter.store import Store, engine, migrate, tables
from tests.store_samples import NOW, TODAY, claimed, one_contract, owner_range, stored, summary, usage_at

UPGRADE = """
import sys
from alerter.store import migrate
print(migrate.upgrade(sys.argv[1]).state)
"""
KILLED = """
import os, sys
import sqlalchemy as sa
from alerter.store import migrate
done = 0
@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def _kill(*_):
    global done
    done += 1
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
migrate.upgrade(sys.argv[1])
"""


def fill(url: str) -> None:
    """Put at least one row into every table."""
    store = Store(url)
    key = one_contract(store)
    claimed(store)
    snapshot_id = stored(store, key, summary(TODAY, {"a": 1.0}))
    with store.write() as tx:
        tx.usage.add_owner_range(snapshot_id, key, owner_range({TODAY: (1.0, 1.0)}))
        tx.usage.save_meaning(key, "users", "daily", {}, NOW)
        tx.usage.activate("r", key, TODAY)
        tx.usage.save_bad_answer("main", "c-1", "summary", NOW, "x", "y")
        tx.usage.note_events("main", [(key, refusal("answer", "x"))], NOW)
        tx.alerts.save([_alert()])
        tx.outbox.enqueue(
            Draft(
                key="k",
                recipient="ops",
                channel="c",
                kind="alert",
                thread="t",
                notice_keys=("n",),
                payload={},
                created_at=NOW,
            )
        )
        tx.journal.put("a", {}, NOW)
    store.close()


def _alert() -> Alert:
    return Alert(
        fingerprint="a" * 32,
        rule="r",
        kind="contract_cap",
        account="main",
        contract_id="c-1",
        user_id="",
        period="p",
        window="-",
        status=Status.FIRING,
        changed_at=NOW,
    )


def table_names(url: str) -> set[str]:
    opened = engine.open_engine(engine.parse_url(url))
    with engine.begin(opened, writes=False) as connection:
        names = set(sa.inspect(connection).get_table_names())
    opened.dispose()
    return names


def test_the_migrated_schema_is_the_one_the_program_expects(database_url: str) -> None:
    migrate.upgrade(database_url)
    assert migrate.drift(database_url) == []
    assert table_names(database_url) == {*tables.metadata.tables, migrate.VERSION_TABLE}


def test_drift_is_noticed(database_url: str) -> None:
    migrate.upgrade(database_url)
    opened = engine.open_engine(engine.parse_url(database_url))
    with engine.begin(opened, writes=True) as connection:
        connection.exec_driver_sql("ALTER TABLE journal ADD COLUMN extra TEXT")
        connection.exec_driver_sql("DROP INDEX ix_alert_status")
    opened.dispose()
    found = " ".join(migrate.drift(database_url))
    assert "extra" in found
    assert "ix_alert_status" in found


def test_upgrading_says_what_it_does_and_again_does_nothing(database_url: str) -> None:
    assert migrate.check(database_url).state == "none"
    told: list[str] = []
    state = migrate.upgrade(database_url, told.append)
    assert (state.state, state.current) == ("current", state.head)
    assert [one.split(":")[0] for one in told] == list(migrate.revisions())
    assert migrate.upgrade(database_url, told.append) == state
    assert len(told) == len(migrate.revisions())


def test_upgrading_again_keeps_the_rows(database_url: str) -> None:
    migrate.upgrade(database_url)
    fill(database_url)
    migrate.upgrade(database_url)
    store = Store(database_url)
    assert usage_at(store, 1, 1).user_ids == ("a",)
    store.close()


def test_every_revision_goes_down_and_up_again_with_rows_in_it(database_url: str) -> None:
    migrate.upgrade(database_url)
    fill(database_url)
    for revision in [*migrate.revisions()[-2::-1], "base"]:
        migrate.downgrade(database_url, revision)
    assert table_names(database_url) == {migrate.VERSION_TABLE}
    assert migrate.upgrade(database_url).state == "current"
    assert migrate.drift(database_url) == []
    fill(database_url)


def test_a_newer_schema_is_refused_and_left_alone(database_url: str) -> None:
    migrate.upgrade(database_url)
    opened = engine.open_engine(engine.parse_url(database_url))
    with engine.begin(opened, writes=True) as connection:
        version = sa.table(migrate.VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num="9999"))
    opened.dispose()
    assert migrate.check(database_url).state == "newer"
    with pytest.raises(SchemaError, match=r"newer alerter.*9999") as caught:
        migrate.upgrade(database_url)
    assert caught.value.exit_code == 3
    assert migrate.check(database_url).current == "9999"


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "contacts.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE people (name TEXT)")
    other.close()
    with pytest.raises(SchemaError, match="people"):
        migrate.upgrade(f"sqlite:///{file}")
    assert table_names(f"sqlite:///{file}") == {"people"}


def test_a_postgres_that_others_use_too_is_fine_unless_names_collide(postgres_server) -> None:  # type: ignore[no-untyped-def]
    for table, refused in (("people", False), ("account", True)):
        url = postgres_server.url()
        opened = engine.open_engine(engine.parse_url(url))
        with engine.begin(opened, writes=True) as connection:
            connection.exec_driver_sql(f"CREATE TABLE {table} (name TEXT)")
        opened.dispose()
        if refused:
            with pytest.raises(SchemaError, match="account"):
                migrate.upgrade(url)
        else:
            assert migrate.upgrade(url).state == "current"


def test_three_processes_upgrade_at_once_and_all_succeed(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, database_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ended = [(*process.communicate(timeout=100), process.returncode) for process in processes]
    assert [(out.strip(), code) for out, _, code in ended] == [("current", 0)] * 3, ended
    assert migrate.drift(database_url) == []


@pytest.mark.parametrize("statement", [3, 12, 30])
def test_a_migration_killed_in_the_middle_is_simply_run_again(database_url: str, statement: int) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, database_url, str(statement)], check=False)
    assert killed.returncode == -9
    assert migrate.check(database_url).state == "none"
    assert migrate.upgrade(database_url).state == "current"
    assert migrate.drift(database_url) == []


def test_a_migration_that_would_orphan_rows_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'alerter.db'}"
    migrate.upgrade(url)
    fill(url)
    with sqlite3.connect(tmp_path / "alerter.db") as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("DELETE FROM snapshot")
    raw.close()
    with pytest.raises(SchemaError, match="nothing was changed"):
        migrate.downgrade(url, migrate.revisions()[-1])


def test_checking_does_not_import_alembic_or_postgres(tmp_path: Path) -> None:
    script = (
        "import sys; from alerter.store import Store, migrate; migrate.check(sys.argv[1]); Store('sqlite://').close();"
        "print([name for name in ('alembic', 'psycopg', 'sqlalchemy.orm') if name in sys.modules])"
    )
    url = f"sqlite:///{tmp_path / 'alerter.db'}"
    migrate.upgrade(url)
    ran = subprocess.run([sys.executable, "-c", script, url], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
    assert ran.stderr == ""


def test_checking_a_missing_file_does_not_make_it(tmp_path: Path) -> None:
    assert migrate.check(f"sqlite:///{tmp_path / 'none.db'}").state == "none"
    assert list(tmp_path.iterdir()) == []


def test_revisions_form_one_line() -> None:
    files = list((migrate.script_dir() / "versions").glob("*.py"))
    assert len(migrate.revisions()) == len(files) > 0
