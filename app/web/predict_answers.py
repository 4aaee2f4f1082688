"""Answers to a prediction, written out."""

from orjson import dumps

from app.domain.data.raw import NOTHING_TO_REPORT, InputReport
from app.serving.catalogue import Served
from app.serving.predictor import Answers, Predictor
from app.web.predict_options import Options
from app.web.tables import csv_text

_NOTHING = b'"input_report":{"imputed":{},"unseen_categories":{},"out_of_range":{}}}'


def json_of(served: Served, predictor: Predictor, answers: Answers, options: Options) -> bytes:
    """The JSON answer, `input_report` last."""
    rows = predictor.printer.objects(answers.values, probabilities=options.probabilities, top=options.top)
    return b"".join((served.head, ",".join(rows).encode(), b"],", _report(answers.report)))


def csv_of(predictor: Predictor, answers: Answers, options: Options) -> bytes:
    """A header row, and a row for each answer; a class that `top` leaves out has an empty cell."""
    columns, rows = predictor.printer.table(answers.values, probabilities=options.probabilities, top=options.top)
    return csv_text(columns, rows).encode()


def _report(report: InputReport) -> bytes:
    if report is NOTHING_TO_REPORT:
        return _NOTHING
    found = {
        "imputed": report.imputed,
        "unseen_categories": report.unseen_categories,
        "out_of_range": report.out_of_range,
    }
    return b'"input_report":' + dumps(found) + b"}"
