"""The epochs that a run has from the one that it goes on from: rows of its own, and how it stood after them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import insert, literal, select
from sqlalchemy.orm import Session

from app.domain.plan.settings import EarlyStopping
from app.storage import runs
from app.storage.tables import EpochRow, RunRow

INHERITED = 0
"""The attempt of a checkpoint and of an epoch that are another run's: a run's own attempts begin at 1."""
Report = dict[str, Any]


def copy(session: Session, old: RunRow, run: RunRow, epochs: int) -> None:
    """The first `epochs` of `old` become `run`'s; its progress and metrics are what they were after them."""
    columns = ("run_id", "epoch", "project", "attempt", "report")
    theirs = (EpochRow.run_id == old.id) & (EpochRow.epoch <= epochs)
    copied = select(literal(run.id), EpochRow.epoch, EpochRow.project, literal(INHERITED), EpochRow.report)
    session.execute(insert(EpochRow).from_select(columns, copied.where(theirs)))
    last = session.scalar(select(EpochRow.report).where(EpochRow.run_id == run.id, EpochRow.epoch == epochs))
    if last is None:
        return
    run.progress = _progress(last, run.training["epochs"])
    best = (old.metrics or {}).get("best")
    if best is None or best["epoch"] > epochs:
        # The old run was better once behind the state: what was best up to there must be found again.
        best = _best([row.report for row in runs.epochs(session, run.id)], runs.training_of(old).early_stopping)
    run.metrics = {"last": _measured(last), "best": best}


def _progress(report: Report, epochs: int) -> Report:
    return {
        "epoch": report["epoch"],
        "epochs": epochs,
        "fraction": round(report["epoch"] / epochs, 6),
        "seconds_left": None,
        "rows_per_second": report["rows_per_second"],
    }


def _measured(report: Report) -> Report:
    return {name: report[name] for name in ("epoch", "train", "train_eval", "validation")}


def _best(reports: Iterable[Report], rule: EarlyStopping | None) -> Report:
    """The best epoch by the metric that early stopping followed, or by the loss; a run's trainer judges so, too."""
    kept: Report | None = None
    for report in reports:
        if kept is None or _gain(kept, report, rule) > (rule.minimum_change if rule else 0):
            kept = report
    assert kept is not None, "there is an epoch"
    return _measured(kept)


def _gain(kept: Report, report: Report, rule: EarlyStopping | None) -> float:
    monitor = rule.monitor if rule else "validation_loss" if report["validation"] else "train_eval_loss"
    part, _, name = ("train_eval", "", "loss") if monitor == "train_eval_loss" else monitor.partition("_")
    gain = float(report[part][name] - kept[part][name])
    return -gain if name in ("loss", "mean_absolute_error") else gain
