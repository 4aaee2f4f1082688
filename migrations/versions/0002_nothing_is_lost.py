"""checkpoints, sizes on disk, and rows that cannot say nonsense"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.errors import Conflict

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD_CHECKS = {
    "status_known": "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
    "running_is_leased": "status <> 'running' OR (worker_id IS NOT NULL AND lease_until IS NOT NULL)",
    "ended_is_dated": "status IN ('queued', 'running') OR finished_at IS NOT NULL",
    "counters_not_negative": "attempt >= 0 AND crashes >= 0",
}
NEW_CHECKS = {
    **OLD_CHECKS,
    "queued_is_nobodys": "status <> 'queued' OR (worker_id IS NULL AND lease_until IS NULL)",
    "ended_is_not_leased": "status IN ('queued', 'running') OR lease_until IS NULL",
    "failed_says_why": "status <> 'failed' OR error_code IS NOT NULL",
    "counters_not_negative": "attempt >= 0 AND crashes >= 0 AND max_crashes > 0",
}
KEY, DIGEST = "checkpoint_key", "checkpoint_sha256"


def upgrade() -> None:
    _refuse_nonsense()
    op.create_table(
        "checkpoints",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=100), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.CheckConstraint("phase IN ('training', 'statistics')", name=op.f("ck_checkpoints_phase_known")),
        sa.CheckConstraint(
            "number >= 1 AND epoch >= 1 AND step >= 0 AND bytes > 0", name=op.f("ck_checkpoints_numbers_in_range")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_checkpoints_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "installation",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.CheckConstraint("place = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_installation")),
    )
    _change_jobs(OLD_CHECKS, NEW_CHECKS, drop=[KEY, DIGEST])
    with op.batch_alter_table("datasets") as datasets:
        datasets.add_column(sa.Column("stored_bytes", sa.BigInteger(), nullable=True))
    _measure_datasets()
    with op.batch_alter_table("datasets") as datasets:
        datasets.alter_column("stored_bytes", existing_type=sa.BigInteger(), nullable=False)
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("new_horizon", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("new_horizon", existing_type=sa.Boolean(), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("new_horizon")
    with op.batch_alter_table("datasets") as datasets:
        datasets.drop_column("stored_bytes")
    _change_jobs(NEW_CHECKS, OLD_CHECKS, add=[sa.Column(KEY, sa.String(200)), sa.Column(DIGEST, sa.String(64))])
    op.drop_table("installation")
    op.drop_table("checkpoints")


def _refuse_nonsense() -> None:
    """Raises `Conflict` that names jobs which break a new check, before anything is changed."""
    jobs = sa.table("jobs", sa.column("id"))
    for name, check in NEW_CHECKS.items():
        query = sa.select(jobs.c.id).where(sa.text(f"NOT ({check})")).order_by(jobs.c.id).limit(5)
        if broken := op.get_bind().execute(query).scalars().all():
            raise Conflict(
                f"the database stays at 0001: these rows of jobs are not as `{check}` wants: {', '.join(broken)}; "
                "mend or delete them and migrate again",
                code=f"rows_break_{name}",
            )


def _change_jobs(
    old: dict[str, str], new: dict[str, str], drop: Sequence[str] = (), add: Sequence[sa.Column[str]] = ()
) -> None:
    with op.batch_alter_table("jobs") as jobs:
        for name in drop:
            jobs.drop_column(name)
        for column in add:
            jobs.add_column(column)
        for name in [name for name in old if new.get(name) != old[name]]:
            jobs.drop_constraint(op.f(f"ck_jobs_{name}"), type_="check")
        for name in [name for name in new if new[name] != old.get(name)]:
            jobs.create_check_constraint(op.f(f"ck_jobs_{name}"), new[name])


def _measure_datasets() -> None:
    """The size on disk is the sum over the files that a row names."""
    datasets = sa.table("datasets", sa.column("id"), sa.column("files", sa.JSON()), sa.column("stored_bytes"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(datasets.c.id, datasets.c.files)).all():
        size = sum(int(file[0]) for file in row.files.values())
        connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(stored_bytes=size))
