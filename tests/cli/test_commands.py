"""What the command line says and answers, before anything runs."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.installation import belong_together
from app.storage.revision import HEAD
from tests.cli.commands import dropnorm
from tests.service import free_port
from tests.storage.rows import add_dataset


def refusal(folder: Path, *arguments: str, **variables: str) -> str:
    """The one line that a refused start says."""
    done = dropnorm(folder, *arguments, **variables)
    lines = done.stderr.strip().splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 1), done.stderr
    assert lines[0].startswith("dropnorm: ")
    return lines[0].removeprefix("dropnorm: ")


def test_help_names_every_command(tmp_path: Path) -> None:
    done = dropnorm(tmp_path, "--help")
    assert done.returncode == 0
    for command in ("serve", "worker", "migrate", "sweep", "adopt", "demo"):
        assert command in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "sweep", "adopt"])
def test_help_names_the_variable_of_each_flag(tmp_path: Path, command: str) -> None:
    assert "DROPNORM_DATA_DIR" in dropnorm(tmp_path, command, "--help").stdout


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "sweep", "adopt"])
def test_an_unknown_variable_stops_every_command_with_one_line(tmp_path: Path, command: str) -> None:
    assert refusal(tmp_path, command, prot="8000") == "DROPNORM_PROT is not a setting of dropnorm"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "eighty"),
        ("port", "80.5"),
        ("workers", "-1"),
        ("workers", "65"),
        ("processes", "0"),
        ("max_upload_bytes", "0"),
        ("ingest_seconds", "nan"),
        ("ingest_seconds", "inf"),
        ("ingest_seconds", "0"),
        ("ingest_memory_bytes", "1"),
        ("model_cache", "0"),
        ("auth", "maybe"),
    ],
)
def test_a_value_out_of_range_is_told_with_its_variable_and_what_was_received(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({f"DROPNORM_{name.upper()}": value})
    assert caught.value.detail.startswith(f"DROPNORM_{name.upper()}: ")
    assert caught.value.detail.endswith(f"received '{value}'")
    assert "\n" not in caught.value.detail


def test_a_value_out_of_range_stops_the_start_with_one_line(tmp_path: Path) -> None:
    expected = "DROPNORM_PORT: Input should be less than or equal to 65535; received "
    assert refusal(tmp_path, "serve", port="70000") == expected + "'70000'"
    assert refusal(tmp_path, "serve", "--port", "70000").startswith(expected)
    assert list(tmp_path.iterdir()) == []


def test_flags_win_over_the_environment_and_the_environment_over_defaults() -> None:
    given = {"DROPNORM_PORT": "8001", "DROPNORM_WORKERS": "3", "HOME": "/root"}
    settings = load(given, port=8002, workers=None)
    assert (settings.port, settings.workers, settings.processes) == (8002, 3, 1)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert load({"DROPNORM_PORT": "", "DROPNORM_DATABASE_URL": ""}) == Settings()


def test_another_process_gets_the_same_settings() -> None:
    settings = load({}, host="::1", data_dir=Path("/some/folder"), ingest_seconds=1.5)
    assert load(settings.environment()) == settings


def test_the_database_lies_in_the_data_folder_unless_it_is_named(tmp_path: Path) -> None:
    assert load({}, data_dir=tmp_path).database == f"sqlite:///{tmp_path / 'dropnorm.db'}"
    named = "postgresql+psycopg://somewhere/else"
    assert load({"DROPNORM_DATABASE_URL": named}, data_dir=tmp_path).database == named


def test_a_flag_wins_over_the_environment_in_the_command_too(tmp_path: Path) -> None:
    done = dropnorm(tmp_path, "migrate", "--data-dir", "flag", data_dir="variable")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["flag"]


def test_migrating_twice_is_as_good_as_once(tmp_path: Path) -> None:
    for _ in range(2):
        done = dropnorm(tmp_path, "migrate", data_dir="data")
        assert (done.returncode, done.stdout) == (0, "the database is up to date\n"), done.stderr
    with closing(sqlite3.connect(tmp_path / "data" / "dropnorm.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


def test_a_sweep_tells_what_went_and_leaves_what_is_young(tmp_path: Path) -> None:
    assert dropnorm(tmp_path, "migrate", data_dir="data").returncode == 0
    left = tmp_path / "data" / "incoming" / "0a1b"
    left.mkdir(parents=True)
    (left / "upload").write_bytes(b"12345")
    told = []
    for arguments in ((), ("--grace-seconds", "0")):
        done = dropnorm(tmp_path, "sweep", *arguments, data_dir="data")
        assert (done.returncode, done.stderr) == (0, "")
        told.append((done.stdout, left.exists()))
    nothing = "removed 0 files (0 bytes), 0 folders, 0 idempotency keys, 0 workers\n"
    assert told == [(nothing, True), (nothing.replace("0 files (0 bytes), 0", "1 files (5 bytes), 1"), False)]


def test_a_sweep_makes_no_data_folder_and_no_table(tmp_path: Path) -> None:
    assert refusal(tmp_path, "sweep", data_dir="data") == "DROPNORM_DATA_DIR data is not there"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "data" / "runs" / "run_a" / "attempt-1").mkdir(parents=True)
    assert "`dropnorm migrate`" in refusal(tmp_path, "sweep", data_dir="data")
    assert (tmp_path / "data" / "runs" / "run_a" / "attempt-1").exists()


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_data_folder_of_another_database_stops_the_start_with_one_line(tmp_path: Path, command: str) -> None:
    for name in ("mine", "other"):
        dropnorm(tmp_path, "migrate", "--data-dir", name)
    for name in ("mine", "other"):
        database = Database(f"sqlite:///{tmp_path / name / 'dropnorm.db'}")
        assert belong_together(database, Blobs(tmp_path / name))
        database.close()
    said = refusal(tmp_path, command, "--data-dir", "mine", database_url=f"sqlite:///{tmp_path / 'other/dropnorm.db'}")
    assert said.startswith("DROPNORM_DATA_DIR mine does not belong to this database: ")
    assert "`dropnorm adopt`" in said


def test_a_worker_beside_an_empty_mount_point_stops_with_one_line_until_it_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dropnorm.db'}"
    assert dropnorm(tmp_path, "migrate", data_dir="data", database_url=url).returncode == 0
    with closing(Database(url)) as database, database.write() as session:
        add_dataset(session, folder="datasets/columns_a")
    (tmp_path / "mount").mkdir()
    said = refusal(tmp_path, "worker", data_dir="mount", database_url=url)
    assert said.startswith("DROPNORM_DATA_DIR mount does not belong to this database: is its disk mounted")
    done = dropnorm(tmp_path, "adopt", data_dir="mount", database_url=url)
    assert (done.returncode, done.stdout) == (0, "mount is the data folder of this database\n"), done.stderr
    with closing(Database(url)) as database:
        assert belong_together(database, Blobs(tmp_path / "mount"))


def test_nothing_is_adopted_where_there_is_no_folder_or_no_table(tmp_path: Path) -> None:
    assert refusal(tmp_path, "adopt", data_dir="data") == "DROPNORM_DATA_DIR data is not there"
    (tmp_path / "data").mkdir()
    assert "`dropnorm migrate`" in refusal(tmp_path, "adopt", data_dir="data")
    assert not (tmp_path / "data" / "installation").exists()


def test_a_port_in_use_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path, "serve", port=port, data_dir="data")
    assert said == f"127.0.0.1 port {port} cannot be listened on: Address already in use"


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])
def test_an_address_that_strangers_reach_is_refused_without_named_hosts(tmp_path: Path, host: str) -> None:
    said = refusal(tmp_path, "serve", "--host", host, data_dir="data", port=str(free_port()))
    assert said.startswith(f"DROPNORM_HOST {host} is not loopback")
    assert "DROPNORM_ALLOWED_HOSTS" in said


def test_a_database_that_does_not_answer_stops_the_start_and_the_log_says_why(tmp_path: Path) -> None:
    nowhere = f"postgresql+psycopg://127.0.0.1:{free_port()}/dropnorm?connect_timeout=2"
    done = dropnorm(tmp_path, "migrate", data_dir="data", database_url=nowhere)
    log, said = done.stderr.strip().splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert log.endswith("the database failed: OperationalError (connection refused)")
    assert said == "dropnorm: the database does not answer; try again soon"


@pytest.mark.parametrize("address", ["somewhere", "postgresql://me:secret@host/base", "mysql://me:secret@host/base"])
def test_a_database_of_another_kind_is_refused_without_telling_its_password(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^DROPNORM_DATABASE_URL: .*sqlite:///.*postgresql") as caught:
        load({}, database_url=address)
    assert "secret" not in caught.value.detail


def test_a_data_folder_that_cannot_be_made_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = refusal(tmp_path, "migrate", data_dir="data")
    assert "DROPNORM_DATA_DIR" in said
