"""The operators' pages: behind Airflow's log-in, for those who may read the runs of the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader

from palmares_airflow.common import PAGES, base_url, run_url
from palmares_airflow.pages.rows import Links, failure_rows, model_rows, shown
from palmares_airflow.runs import SWEEP
from palmares_airflow.services import open_services

if TYPE_CHECKING:
    from palmares.steps.services import Services

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}


def may_read(user: GetUserDep) -> None:
    """Let in who may read the runs of the sweep in Airflow.

    Raises:
        HTTPException: 403. (401, by Airflow, for who is not logged in.)
    """
    allowed = get_auth_manager().is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=SWEEP), user=user
    )
    if not allowed:
        raise HTTPException(403, f"Your role may not read the runs of {SWEEP}.")


def services() -> Iterator[Services]:
    """The store and the Hub, at the addresses of Airflow's connections, for one request."""
    with open_services() as opened:
        yield opened


ServicesDep = Annotated[Any, Depends(services)]
Month = Annotated[str, Query(pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$", description="2026-11; empty: all.")]
Page = Annotated[int, Query(ge=1, le=100_000, description="From 1.")]
MODELS_A_PAGE = 50
pages = APIRouter(dependencies=[Depends(may_read)])


@pages.get("/queue")
def queue_page(services: ServicesDep) -> HTMLResponse:
    return _html("queue", **_queue(services))


@pages.get("/api/queue")
def queue_json(services: ServicesDep) -> dict[str, Any]:
    return _queue(services)


@pages.get("/models")
def models_page(services: ServicesDep, run: str = "", q: str = "", page: Page = 1) -> HTMLResponse:
    return _html("models", **_models(services, run=run, q=q, page=page), run=run, q=q)


@pages.get("/api/models")
def models_json(services: ServicesDep, run: str = "", q: str = "", page: Page = 1) -> dict[str, Any]:
    return _models(services, run=run, q=q, page=page)


@pages.get("/failures")
def failures_page(services: ServicesDep) -> HTMLResponse:
    return _html("failures", **_failures(services))


@pages.get("/api/failures")
def failures_json(services: ServicesDep) -> dict[str, Any]:
    return _failures(services)


@pages.get("/ledger")
def ledger_page(services: ServicesDep, since: Month = "", until: Month = "") -> HTMLResponse:
    return _html("ledger", **_ledger(services, since=since, until=until), since=since, until=until)


@pages.get("/api/ledger")
def ledger_json(services: ServicesDep, since: Month = "", until: Month = "") -> dict[str, Any]:
    return _ledger(services, since=since, until=until)


def _ledger(services: Services, *, since: str, until: str) -> dict[str, Any]:
    """What all attempts cost, failed ones included."""
    from palmares.steps.costs import ledger_report, read_ledger

    return ledger_report(read_ledger(services, since=since or None, until=until or None))


def _queue(services: Services) -> dict[str, Any]:
    """What the next sweep will do with every request that waits, and what runs."""
    from palmares.steps.requests.overview import overview

    seen = overview(services)
    links = _links(services)
    rows = [
        row.to_json()
        | {
            "request_url": links.request(row.path),
            "starts": shown(row.starts),
            "submitted": shown(row.submitted),
        }
        for row in seen.rows
    ]
    return {
        "next_sweep": shown(seen.next_sweep),
        "running": [row for row in rows if row["status"] == "RUNNING"],
        "waiting": [row for row in rows if row["position"] is not None],
        "refused": [row for row in rows if row["position"] is None and row["status"] == "PENDING"],
    }


def _models(services: Services, *, run: str, q: str, page: int) -> dict[str, Any]:
    """One page of evaluations, the one that changed last first."""
    evaluations = services.store.evaluations.find(dag_run_id=run or None)
    kept = [one for one in evaluations if q.casefold() in one.model_id.casefold()]
    kept.sort(key=lambda one: one.updated_at, reverse=True)
    shown_here = kept[(page - 1) * MODELS_A_PAGE : page * MODELS_A_PAGE]
    attempts = services.store.evaluations.attempts_of([one.job_key for one in shown_here])
    rows = model_rows(shown_here, attempts, _links(services))
    return {
        "models": [asdict(row) for row in rows],
        "total": len(kept),
        "number": page,
        "last": max(1, -(-len(kept) // MODELS_A_PAGE)),
    }


def _failures(services: Services) -> dict[str, Any]:
    from palmares.store.store import EvaluationState

    evaluations = services.store.evaluations.find()
    attempts = services.store.evaluations.all_attempts()
    held = [one for one in evaluations if one.state is EvaluationState.QUARANTINED]
    return {
        "failures": [asdict(row) for row in failure_rows(evaluations, attempts)],
        "on_hold": [asdict(row) for row in model_rows(held, attempts, _links(services))],
    }


def _links(services: Services) -> Links:
    from clearml_provider.hook import ClearMLHook

    clearml, requests_repo = ClearMLHook(), services.settings.hub.requests_repo
    return Links(
        run=lambda run_id: run_url(SWEEP, run_id),
        request=lambda path: services.hub.file_url(requests_repo, path),
        clearml=lambda task_id: clearml.settings.log_url(task_id, None),
    )


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("palmares_airflow.pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


def _html(page: str, **values: Any) -> HTMLResponse:
    text = _templates().get_template(f"{page}.html").render(page=page, pages=PAGES, base=base_url(), **values)
    return HTMLResponse(text)


async def _style(request: Request) -> Response:
    css = files("palmares.site").joinpath("static", "site.css").read_text(encoding="utf-8")
    return Response(css, media_type="text/css")


async def _refused(request: Request, error: HTTPException) -> Response:
    """An answer for people or for programs; who is not logged in is led to Airflow's log-in."""
    if "/palmares/api/" in request.url.path:
        return JSONResponse({"detail": error.detail}, error.status_code)
    if error.status_code == 401:
        login = get_auth_manager().get_url_login()
        return RedirectResponse(f"{login}?next={quote(str(request.url), safe='')}", 303)
    refused = _html("refused", detail=error.detail)
    refused.status_code = error.status_code
    return refused


@cache
def web_application() -> FastAPI:
    """The application that Airflow mounts under ``/palmares``."""
    app = FastAPI(title="Palmarès for operators", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(pages)
    app.add_api_route("/site.css", _style, methods=["GET"])
    app.add_exception_handler(HTTPException, _refused)  # type: ignore[arg-type]

    @app.middleware("http")
    async def headers(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        answer.headers.update(HEADERS)
        return answer

    return app
