"""`/metrics`: the figures of the service, for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from app.web.dependencies import Parts

router = APIRouter(tags=["operation"])
EXAMPLE = """# HELP dropnorm_jobs Jobs that wait or are worked on.
# TYPE dropnorm_jobs gauge
dropnorm_jobs{status="queued"} 2.0
dropnorm_jobs{status="running"} 1.0
"""


@router.get(
    "/metrics",
    summary="Get the service's metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
def get_metrics_text(parts: Parts) -> Response:
    """Requests, predictions, queue, workers, database and disk; sums over all API processes of this port. Answers also
    where the database is away: `dropnorm_database_up` is 0 then."""
    return Response(parts.scrape.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
