"""The migrations make the tables that the code declares, whoever runs them, and however often."""

import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from app.storage import migrations
from app.storage.base import Base
from app.storage.database import Database
from app.storage.revision import HEAD, is_current
from tests.storage.servers import Databases

UPGRADE = """
import sys
from app.storage import migrations
from app.storage.database import Database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
migrations.upgrade(database)
"""
Checks = dict[str, set[str]]


def checks_of(database: Database) -> Checks:
    found = inspect(database.engine)
    return {
        table: {f"{check['name']}: {check['sqltext']}" for check in found.get_check_constraints(table)}
        for table in Base.metadata.tables
    }


def test_an_empty_database_is_brought_to_the_head_and_a_second_time_changes_nothing(databases: Databases) -> None:
    database = Database(databases.empty())
    assert not is_current(database)
    for _ in range(2):
        migrations.upgrade(database)
        assert is_current(database)
        assert set(inspect(database.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    database.close()


def test_of_three_processes_that_migrate_at_once_each_ends_well(databases: Databases) -> None:
    url = databases.empty()
    command = [sys.executable, "-c", UPGRADE, url]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    database = Database(url)
    assert is_current(database)
    database.close()


def test_the_migrated_tables_are_the_declared_ones(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrated_check_constraints_are_the_declared_ones(database: Database, databases: Databases) -> None:
    declared = Database(databases.empty())
    Base.metadata.create_all(declared.engine)
    assert checks_of(database) == checks_of(declared)
    assert len(checks_of(database)["jobs"]) == 7
    declared.close()


def test_the_code_names_the_newest_migration(database: Database) -> None:
    with database.engine.connect() as connection:
        assert ScriptDirectory.from_config(migrations.configuration(connection)).get_current_head() == HEAD


def test_a_downgrade_leaves_no_table_and_the_way_up_again_is_open(databases: Databases) -> None:
    database = Database(databases.migrated())
    migrations.downgrade(database, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    assert not is_current(database)
    migrations.upgrade(database)
    assert is_current(database)
    database.close()
