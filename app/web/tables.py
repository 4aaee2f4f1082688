"""Tables as CSV answers."""

from collections.abc import Iterable, Sequence

from fastapi import Request
from fastapi.responses import Response

from app.serving.csv_text import csv_text


def wants_csv(request: Request) -> bool:
    return request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip() == "text/csv"


def csv_answer(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    return Response(csv_text(columns, rows), media_type="text/csv")
