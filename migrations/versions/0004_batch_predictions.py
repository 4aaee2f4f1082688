"""batch predictions, and jobs counted by kind"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE, INDEXED = "batch_predictions", ("project", "run_id", "dataset_id", "created_at")
KIND = "batch_prediction"


def upgrade() -> None:
    # No table that older processes write to gets a column, and their workers take no job of a kind they do not know.
    op.create_table(
        TABLE,
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("project", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("key", sa.String(length=300), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_batch_predictions_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_batch_predictions")),
    )
    for column in INDEXED:
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])
    op.create_index(op.f("ix_jobs_kind_status"), "jobs", ["kind", "status"])


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_kind_status"), "jobs")
    op.drop_table(TABLE)
    # An older version knows nothing of these jobs, and would count them as runs for ever.
    op.execute(sa.delete(sa.table("jobs", sa.column("kind"))).where(sa.column("kind") == KIND))
