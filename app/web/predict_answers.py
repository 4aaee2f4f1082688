"""Answers to a prediction, written out."""

from orjson import OPT_SERIALIZE_NUMPY, dumps

from app.domain.data.raw import NOTHING_TO_REPORT, InputReport
from app.domain.inference.uncertainty import Uncertainty
from app.serving.catalogue import Served
from app.serving.csv_answers import CsvAnswers
from app.serving.predictor import Answers, Predictor
from app.web.predict_options import Options

_NOTHING = b'"input_report":{"imputed":{},"unseen_categories":{},"out_of_range":{}}}'


def json_of(served: Served, predictor: Predictor, answers: Answers, options: Options) -> bytes:
    """The JSON answer, `input_report` last."""
    rows = predictor.printer.objects(answers.values, probabilities=options.probabilities, top=options.top)
    if answers.uncertainty is not None:
        more = _uncertain(answers.uncertainty, predictor.labels, options)
        rows = [f'{row[:-1]},"uncertainty":{one}}}' for row, one in zip(rows, more, strict=True)]
    return b"".join((served.head, ",".join(rows).encode(), b"],", _report(answers.report)))


def csv_of(predictor: Predictor, answers: Answers, options: Options) -> bytes:
    """A header row, and a row for each answer; a class that `top` leaves out has an empty cell."""
    table = CsvAnswers(predictor.labels, probabilities=options.probabilities, top=options.top)
    return table.header + table.lines(answers.values)


def _uncertain(found: Uncertainty, labels: tuple[str, ...] | None, options: Options) -> list[str]:
    """`uncertainty` of each row: standard deviations by class, entropies in nats; for a number its deviation alone."""
    rows: list[dict[str, object]] = []
    for row, deviation in enumerate(found.standard_deviation):
        told: dict[str, object] = {"samples": found.samples, "seed": options.seed or 0}
        told["standard_deviation"] = deviation[0] if labels is None else dict(zip(labels, deviation, strict=True))
        if found.predictive_entropy is not None and found.mutual_information is not None:
            told["predictive_entropy"] = found.predictive_entropy[row]
            told["mutual_information"] = found.mutual_information[row]
        rows.append(told)
    return [dumps(row, option=OPT_SERIALIZE_NUMPY).decode() for row in rows]


def _report(report: InputReport) -> bytes:
    if report is NOTHING_TO_REPORT:
        return _NOTHING
    found = {
        "imputed": report.imputed,
        "unseen_categories": report.unseen_categories,
        "out_of_range": report.out_of_range,
    }
    return b'"input_report":' + dumps(found) + b"}"
