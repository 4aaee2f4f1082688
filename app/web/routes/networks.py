"""`/networks`: specs, checked before anything is allocated."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from app.domain.network.spec import NetworkSpec
from app.storage import networks
from app.storage.idempotency import Answer
from app.web.answers import created, digest_of, once, respond
from app.web.dependencies import IdempotencyKey, Page, Project, Reading, Writing
from app.web.examples import BATCHNORM_NETWORK, NETWORK, NETWORK_CHECKED, page_of
from app.web.problems import problems
from app.web.schemas import NetworkCheckView, NetworkView, PageView
from app.web.strict_json import StrictRoute
from app.web.views import checked_network, network_view

router = APIRouter(prefix="/networks", tags=["networks"], route_class=StrictRoute)
SpecBody = Annotated[NetworkSpec, Body(openapi_examples={"article-batchnorm": {"value": BATCHNORM_NETWORK}})]


@router.post(
    "/check",
    summary="Check a network, store nothing",
    response_model=NetworkCheckView,
    responses=problems(400, 413, 415, 422, example=NETWORK_CHECKED),
)
def check_network(spec: SpecBody) -> NetworkCheckView:
    """Shapes, parameter counts and findings, before anything is allocated."""
    return checked_network(spec)


@router.post(
    "",
    status_code=201,
    summary="Store a network",
    response_model=NetworkView,
    responses=problems(400, 409, 413, 415, 422, example=NETWORK, status=201),
)
def create_network(
    request: Request, spec: SpecBody, session: Writing, project: Project, key: IdempotencyKey = None
) -> Response:
    """Answers the stored network with its summary, parameter counts and findings."""
    checked_network(spec)

    def make() -> Answer:
        row = networks.add(session, project, spec)
        return created(201, f"/api/v1/networks/{row.id}", network_view(row))

    digest = digest_of(request.url.path, spec.model_dump_json().encode())
    return respond(once(session, project, key, digest, make))


@router.get("", summary="List networks", responses=problems(422, example=page_of(NETWORK)))
def list_networks(session: Reading, project: Project, page: Page) -> PageView[NetworkView]:
    rows, following = networks.page(session, project, page.limit, page.cursor)
    return PageView(items=[network_view(row) for row in rows], next=following)


@router.get("/{network_id}", summary="Get a network", responses=problems(404, example=NETWORK))
def get_network(network_id: str, session: Reading, project: Project) -> NetworkView:
    return network_view(networks.get(session, project, network_id))


@router.delete("/{network_id}", status_code=204, summary="Delete a network", responses=problems(404))
def delete_network(network_id: str, session: Writing, project: Project) -> None:
    """Runs made from it keep their own copy."""
    networks.remove(session, project, network_id)
