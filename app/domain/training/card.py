"""The model card: what a model was made of, how well it does and what not to expect, as Markdown.

Equal runs make equal cards: no id, path or time stands in one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.data.schema import ColumnType, DatasetSchema
from app.domain.inference.reliability import Calibration
from app.domain.network.shapes import summarize
from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.domain.task import Task
from app.domain.training.markdown import counted, flattened, is_number, number, table, text
from app.domain.training.parity import Parity

Evaluation = Mapping[str, object]
"""Numbers by name, such as `loss` and `accuracy`; anything that is no number is passed over."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is made of. `settings` and `spec` are resolved; `validation` is empty where no row was held out.

    The two `…_before` are from before the population statistics were estimated; empty where they were not. A
    regression has no `calibration`.
    """

    schema: DatasetSchema
    spec: NetworkSpec
    settings: TrainingSettings
    epochs: int
    training_rows: int
    validation_rows: int
    parity: Parity
    train_eval: Evaluation
    validation: Evaluation
    train_eval_before: Evaluation = field(default_factory=dict)
    validation_before: Evaluation = field(default_factory=dict)
    calibration: Calibration | None = None


def model_card(facts: CardFacts) -> str:
    """The card's Markdown, ending in a line break."""
    sections = [
        ("Model card", _purpose(facts.schema)),
        ("Data", _data(facts)),
        ("Network", _network(facts.spec)),
        ("Training", _training(facts)),
        ("Evaluation", _evaluation(facts)),
        ("How the answers were checked", _parity(facts.parity)),
        ("Use and limits", _limits(facts)),
    ]
    parts = [f"{'#' if index == 0 else '##'} {title}\n\n{body}" for index, (title, body) in enumerate(sections)]
    return "\n\n".join(parts) + "\n"


def _purpose(schema: DatasetSchema) -> str:
    target = text(schema.target.name)
    if schema.task is Task.REGRESSION:
        return f"Answers the number `{target}` of a row, in its own units."
    return f"Answers the class `{target}` of a row, with a probability for each of {len(schema.classes)} classes."


def _data(facts: CardFacts) -> str:
    schema = facts.schema
    lines = [
        f"A dataset of {counted(schema.rows, 'row')} ({schema.kind}): {facts.training_rows} to train on, "
        f"{facts.validation_rows} held out."
    ]
    if schema.task is Task.CLASSIFICATION:
        counts = schema.target.counts or (None,) * len(schema.classes)
        rows = [(text(label), count) for label, count in zip(schema.classes, counts, strict=True)]
        lines.append(table(("class", "rows"), rows))
    if not schema.has_pictures:
        columns = [(text(column.name), column.type.value, column.missing) for column in schema.features]
        lines.append(table(("column", "type", "missing"), columns))
    return "\n\n".join(lines)


def _network(spec: NetworkSpec) -> str:
    summary = summarize(spec)
    rows = [
        (line.index, line.type, " × ".join(map(str, line.output_shape or ())), line.parameters)
        for line in summary.layers
    ]
    counts = summary.parameters
    assert counts is not None
    total = f"{counts.total} parameters, {counts.non_trainable} of them running statistics."
    return f"Input: {' × '.join(map(str, spec.input_shape or ()))}. {total}\n\n" + table(
        ("layer", "type", "output", "parameters"), rows
    )


def _training(facts: CardFacts) -> str:
    document = {key: value for key, value in facts.settings.document().items() if key != "validation"}
    rows = [(name, value) for name, value in flattened(document)]
    return f"{counted(facts.epochs, 'epoch')} were trained.\n\n" + table(("setting", "value"), rows)


def _evaluation(facts: CardFacts) -> str:
    columns = {
        "training rows": facts.train_eval,
        "held-out rows": facts.validation,
        "training rows, before population statistics": facts.train_eval_before,
        "held-out rows, before population statistics": facts.validation_before,
    }
    given = {title: numbers for title, numbers in columns.items() if numbers}
    names = list(dict.fromkeys(name for numbers in given.values() for name in numbers))
    rows = [
        (name, *(number(numbers.get(name)) for numbers in given.values()))
        for name in names
        if any(is_number(numbers.get(name)) for numbers in given.values())
    ]
    measures = "All in eval mode: dropout off, running statistics.\n\n" + table(("measure", *given), rows)
    return measures if facts.calibration is None else f"{measures}\n\n{_calibration(facts.calibration)}"


def _calibration(calibration: Calibration) -> str:
    if "not_fitted" in calibration:
        return f"The probabilities are not calibrated: {calibration['not_fitted']['message']}."
    error = calibration["expected_calibration_error"]
    return (
        f"The probabilities are calibrated: the logits are divided by a temperature of {calibration['temperature']:g}, "
        f"fitted on {counted(calibration['rows'], 'held-out row')}. There the expected calibration error, in "
        f"{calibration['bins']} bins, was {number(error['before'])} and is {number(error['after'])}."
    )


def _parity(parity: Parity) -> str:
    same = "the same bits" if parity.bit_equal_alone_batched_shuffled else "not always the same bits"
    return (
        f"On {counted(parity.rows, 'row')} the frozen network's answers differ from those of PyTorch's eval mode by "
        f"at most {parity.largest_difference:.3g}. A row gets {same} alone, in a batch and in a shuffled batch."
    )


def _limits(facts: CardFacts) -> str:
    lines = [
        "Preprocessing was fitted on the training rows and is part of the model: send rows in raw units.",
        "A missing value is imputed, an unseen category counts as none of the known ones, and a number outside the "
        "training rows' range is extrapolated; each answer's `input_report` says where that happened.",
        "The measures above hold for rows like the dataset's; nothing is known of any others.",
    ]
    if facts.schema.task is Task.CLASSIFICATION:
        lines.append("A row of a class that is not listed still gets one of the listed classes.")
    if facts.spec.dropouts:
        lines.append("Dropout is off in predictions, unless Monte Carlo passes are asked for.")
    if not facts.validation:
        lines.append("No row was held out: the measures say nothing of rows the network has not seen.")
    if any(column.type is ColumnType.PICTURE for column in facts.schema.features):
        lines.append("Pictures are turned upright, made RGB, resized and divided by 255 before the network sees them.")
    return "\n".join(f"- {line}" for line in lines)
