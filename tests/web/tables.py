"""Small datasets made on the spot."""

import httpx

from tests.service import accepted


def inline(api: httpx.Client, rows: int, classes: int = 2) -> str:
    """The id of a small dataset: `rows` rows of one number and a class."""
    table = [{"x": index + 0.25, "y": f"class {index % classes}"} for index in range(rows)]
    return str(accepted(api.post("/api/v1/datasets", json={"target": "y", "rows": table}))["id"])
