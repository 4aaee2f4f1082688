"""How much one prediction may ask for."""

from app.errors import TooLarge
from app.serving.predictor import Predictor
from app.web.context import Limits


def check_size(rows: int, predictor: Predictor, limits: Limits) -> None:
    """Before anything is made of the rows: raises `TooLarge` for too many of them, or of values to answer."""
    if rows > limits.prediction_rows:
        raise TooLarge(f"{rows} rows were sent; {limits.prediction_rows} are allowed a call", code="too_many_rows")
    values = rows * predictor.outputs
    if values > limits.prediction_values:
        raise TooLarge(
            f"{rows} rows are {values} probabilities to answer; {limits.prediction_values} are allowed a call",
            code="too_many_values",
        )
    cells = rows * predictor.inputs
    if cells > limits.prediction_cells:
        raise TooLarge(
            f"{rows} rows are {cells} inputs of the network; {limits.prediction_cells} are allowed a call",
            code="too_many_cells",
        )
