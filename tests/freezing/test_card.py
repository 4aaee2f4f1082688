"""The model card: complete, deterministic, and safe to show."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain.data.schema import ColumnType
from app.domain.network.spec import NetworkSpec
from app.domain.plan.settings import TrainingSettings
from app.domain.task import Task
from app.domain.training.card import CardFacts, model_card
from app.domain.training.parity import Parity
from tests.data.tables import penguins, pictures, table


@pytest.fixture
def facts() -> CardFacts:
    layers = [{"type": "dense", "units": 8}, {"type": "batch_normalization"}, {"type": "dropout", "rate": 0.5}]
    spec = NetworkSpec.model_validate({"layers": [*layers, {"type": "dense"}]})
    return CardFacts(
        schema=penguins().schema,
        spec=spec.resolved((12,), Task.CLASSIFICATION, 3),
        settings=TrainingSettings(seed=7),
        epochs=30,
        training_rows=10,
        validation_rows=2,
        parity=Parity(2, 1.5e-7, bit_equal_alone_batched_shuffled=True),
        train_eval={"loss": 0.1, "accuracy": 0.975, "classes": {}},
        validation={"loss": 0.25, "accuracy": 0.5, "roc_auc": 0.75},
        validation_before={"loss": 0.5},
    )


def test_a_card_tells_of_data_network_training_measures_and_proof(facts: CardFacts) -> None:
    card = model_card(facts)
    assert "12 rows (table): 10 to train on, 2 held out" in card
    assert "| bill_length_mm | numeric | 0 |" in card
    assert "| 0 | dense | 8 | 104 |" in card
    assert "163 parameters, 16 of them running statistics" in card
    assert "| optimizer.learning_rate | 0.001 |" in card
    assert "| accuracy | 0.975 | 0.5 | – |" in card
    assert "| loss | 0.1 | 0.25 | 0.5 |" in card
    assert "| roc_auc | – | 0.75 | – |" in card
    assert "classes |" not in card
    assert "differ from those of PyTorch's eval mode by at most 1.5e-07" in card
    assert "the same bits alone" in card


def test_equal_runs_make_equal_cards(facts: CardFacts) -> None:
    assert model_card(facts) == model_card(replace(facts))


def test_a_card_without_held_out_rows_says_so(facts: CardFacts) -> None:
    card = model_card(replace(facts, validation={}, validation_before={}, validation_rows=0))
    assert "No row was held out" in card
    assert "held-out rows |" not in card


def test_names_from_the_file_cannot_break_the_tables(facts: CardFacts) -> None:
    nasty = "a|b\n# <script>alert(1)</script>`"
    columns = table({nasty: (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["p", "q"]))
    card = model_card(replace(facts, schema=columns.schema))
    assert "<script>" not in card
    assert "a\\|b # &lt;script&gt;" in card


def test_a_card_for_a_number_and_one_for_pictures_name_what_they_answer(facts: CardFacts) -> None:
    numbers = table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("weight", [1.0, 2.0])).schema
    assert "the number `weight` of a row, in its own units" in model_card(replace(facts, schema=numbers))
    image = np.zeros((2, 2, 3), np.uint8)
    card = model_card(replace(facts, schema=pictures([image, image], ["cat", "dog"]).schema))
    assert "| cat | 1 |" in card
    assert "divided by 255" in card


def test_a_long_table_is_cut(facts: CardFacts) -> None:
    many = table({f"x{i}": (ColumnType.NUMERIC, [1.0, 2.0]) for i in range(80)}, ("y", ["p", "q"])).schema
    card = model_card(replace(facts, schema=many))
    assert "| x49 |" in card
    assert "| x50 |" not in card
    assert "… and 30 more." in card
