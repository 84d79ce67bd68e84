"""The public HTTP API, version 1: what the pages show, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from palmares.leaderboard.errors import RefusedError
from palmares.site import snapshot as data
from palmares.site.board import Row, Search
from palmares.site.submissions import FormError, read_form
from palmares.site.web import address_of, sender_of, with_etag

router = APIRouter(prefix="/api/v1", tags=["leaderboard"])
MOST_ROWS = 1000
SORTS: dict[str, Callable[[Row], Any]] = {
    "rank": lambda row: (row.rank is None, row.rank or 0),
    "name": lambda row: row.name.lower(),
    "average": lambda row: -1.0 if row.average is None else row.average,
    "parameters": lambda row: row.parameters_b or 0.0,
    "submitted": lambda row: row.submitted or "",
    "likes": lambda row: row.likes,
}

Page = Annotated[int, Query(ge=1, le=100_000, description="From 1.")]
PageSize = Annotated[int, Query(ge=1, le=MOST_ROWS)]


class ScoreOut(BaseModel):
    """One benchmark of a model."""

    value: float | None = Field(description="Per cent, rescaled so that guessing scores 0.")
    raw: float | None = Field(description="Per cent, as measured.")
    stderr: float | None = Field(description="Standard error of `value`, in points; null: not known.")
    interval: tuple[float, float] | None = Field(description="Of `value`, 95 %; null: not known.")
    ranks: tuple[int, int] | None = Field(description="First and last rank that the evaluated rows allow.")


class ModelOut(BaseModel):
    """One model in one precision."""

    model_config = ConfigDict(protected_namespaces=())

    model: str
    eval_name: str
    revision: str
    precision: str
    weight_type: str
    type: str
    architecture: str
    license: str
    likes: int
    parameters_billions: float | None
    rank: int | None = Field(description="Null: flagged or withdrawn.")
    best_rank: int | None = Field(description="First rank that the evaluated rows allow.")
    worst_rank: int | None
    tie_group: int | None = Field(description="Models of one group are not told apart from its first.")
    average: float | None
    average_stderr: float | None
    interval: tuple[float, float] | None = Field(description="Of `average`, 95 %; null: not known.")
    scores: dict[str, ScoreOut]
    chat_template: bool
    moderation: str | None
    moderation_reason: str | None
    former_names: list[str]
    base_model: str | None
    submitted: str | None
    evaluated: str | None
    gpu_hours: float | None
    carbon_kg: float | None
    suite_hash: str | None


class LeaderboardOut(BaseModel):
    """A page of the leaderboard."""

    total: int
    page: int
    pages: int
    read_at: datetime
    rows: list[ModelOut]


class RequestOut(BaseModel):
    """One request."""

    path: str
    model: str
    revision: str
    precision: str
    weight_type: str
    status: str
    submitted: datetime | None
    place: int | None = Field(description="In the queue, from 1.")
    starts: datetime | None = Field(description="Estimated.")
    why: dict[str, list[str]]
    phase: str | None
    rows_done: int | None
    rows: int | None
    error_code: str | None
    error: str | None


class RequestsOut(BaseModel):
    """A page of requests."""

    total: int
    page: int
    pages: int
    read_at: datetime
    requests: list[RequestOut]


class SubmissionIn(BaseModel):
    """A submission; the same fields as the form."""

    model_config = ConfigDict(extra="forbid")

    model: str
    revision: str = "main"
    precision: str = "bfloat16"
    weight_type: str = "Original"
    base_model: str = ""
    use_chat_template: bool = True
    model_type: str
    dry_run: bool = Field(default=False, description="Run the checks, write nothing.")


class SubmissionOut(BaseModel):
    """What came of it."""

    path: str
    revision: str = Field(description="The commit that was pinned.")
    commit: str | None = Field(description="Of the requests dataset; null after a dry run.")
    gpu_hours: float
    waiting: int | None = None


@router.get("/leaderboard", response_model=LeaderboardOut)
def leaderboard(
    request: Request,
    search: Annotated[str, Query(max_length=1000, description="`qwen; mistral; license: mit`")] = "",
    sort: Annotated[str, Query(pattern=f"^-?({'|'.join(SORTS)})$")] = "rank",
    page: Page = 1,
    page_size: PageSize = 100,
) -> Response:
    """The models, ranked ones first; `sort=-average` turns the order round."""
    site = request.app.state.site
    snapshot = site.source.snapshot()
    wanted = Search.parse(search)
    rows = [row for row in snapshot.rows if wanted.matches(row)]
    rows.sort(key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
    shown, pages = _page(rows, page, page_size)
    answer = LeaderboardOut(
        total=len(rows), page=page, pages=pages, read_at=snapshot.read_at, rows=[_model(row) for row in shown]
    )
    return _answer(request, answer, snapshot.version)


@router.get("/models/{name:path}", response_model=list[ModelOut], responses={404: {}})
def model(request: Request, name: str) -> Response:
    """All rows of a model, under its present or a former name."""
    snapshot = request.app.state.site.source.snapshot()
    rows = snapshot.by_name.get(name)
    if not rows:
        raise HTTPException(404, f"No model {name[:200]!r} is on the leaderboard.")
    return _answer(request, [_model(row) for row in rows], snapshot.version)


@router.get("/queue", response_model=RequestsOut)
def queue(request: Request, page: Page = 1, page_size: PageSize = 100) -> Response:
    """What runs and what waits, in the order of the queue."""
    snapshot = request.app.state.site.source.snapshot()
    rows = [one for one in snapshot.requests if one.state in {"running", "waiting"}]
    return _requests(request, snapshot, rows, page, page_size)


@router.get("/requests", response_model=RequestsOut)
def requests(
    request: Request,
    status: Annotated[str | None, Query(max_length=40)] = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    page: Page = 1,
    page_size: PageSize = 100,
) -> Response:
    """Requests, by status and model."""
    snapshot = request.app.state.site.source.snapshot()
    rows = [
        one
        for one in snapshot.requests
        if (status is None or one.status == status.upper()) and (model is None or one.model == model)
    ]
    return _requests(request, snapshot, rows, page, page_size)


@router.get("/names")
def names(request: Request, q: Annotated[str, Query(min_length=2, max_length=200)]) -> list[str]:
    """Up to ten names of models that hold *q*: of this leaderboard, then of the Hub."""
    site = request.app.state.site
    wanted = q.strip().lower()
    snapshot = site.source.snapshot()
    known = {row.name for row in snapshot.rows} | {one.model for one in snapshot.requests}
    return sorted((name for name in known if wanted in name.lower()), key=lambda name: (len(name), name))[:10]


@router.post(
    "/submissions",
    response_model=SubmissionOut,
    status_code=201,
    responses={401: {}, 409: {}, 422: {}, 429: {}, 503: {}},
)
def submissions(
    request: Request, given: SubmissionIn, authorization: Annotated[str | None, Header()] = None
) -> Response:
    """Submit a model. `Authorization: Bearer` carries the token that the operator gave out."""
    site = request.app.state.site
    if not site.desk.is_open:
        raise HTTPException(503, "Submissions are closed here.")
    sender = sender_of(request, (authorization or "").removeprefix("Bearer ").strip() or None)
    if sender is None:
        raise HTTPException(401, "This token is not known. Ask the leaderboard's operator for one.")
    if wait := max(site.address_limit.take(address_of(request)), site.sender_limit.take(sender)):
        headers = {"Retry-After": str(int(wait) + 1)}
        raise HTTPException(429, f"Too many submissions. Wait {int(wait) + 1} s.", headers=headers)
    fields = given.model_dump()
    fields["use_chat_template"] = "on" if given.use_chat_template else ""
    try:
        form = read_form({key: str(value) for key, value in fields.items()})
        accepted = None if given.dry_run else site.desk.submit(form, sender=sender)
        checked = site.desk.check(form) if accepted is None else accepted.checked
    except FormError as error:
        problems = [{"loc": ["body", name], "msg": text} for name, text in error.problems.items()]
        raise HTTPException(422, problems) from error
    except RefusedError as error:
        code = 409 if error.refusal.code in {"duplicate", "already_evaluated"} else 422
        raise HTTPException(code, {"code": error.refusal.code, "message": str(error)}) from error
    answer = SubmissionOut(
        path=form.path,
        revision=checked.revision,
        commit=None if accepted is None else accepted.commit,
        gpu_hours=checked.plan.gpu_hours,
        waiting=checked.waiting,
    )
    return Response(
        answer.model_dump_json(), status_code=200 if given.dry_run else 201, media_type="application/json"
    )


def _requests(
    request: Request, snapshot: data.Snapshot, rows: list[data.Request], page: int, page_size: int
) -> Response:
    shown, pages = _page(rows, page, page_size)
    answer = RequestsOut(
        total=len(rows),
        page=page,
        pages=pages,
        read_at=snapshot.read_at,
        requests=[RequestOut.model_validate(_request(one)) for one in shown],
    )
    return _answer(request, answer, snapshot.version)


def _request(one: data.Request) -> dict[str, Any]:
    fields = asdict(one)
    return {name: fields[name] for name in RequestOut.model_fields if name != "why"} | {
        "why": {language: list(sentences) for language, sentences in one.why.items()}
    }


def _model(row: Row) -> ModelOut:
    return ModelOut(
        model=row.name,
        parameters_billions=row.parameters_b,
        scores={
            title: ScoreOut(
                value=value.shown,
                raw=value.raw,
                stderr=value.stderr,
                interval=value.interval,
                ranks=value.ranks,
            )
            for title, value in row.values.items()
        },
        former_names=list(row.former_names),
        **{
            name: getattr(row, name)
            for name in ModelOut.model_fields
            if name not in {"model", "parameters_billions", "scores", "former_names"}
        },
    )


def _page(rows: list[Any], page: int, page_size: int) -> tuple[list[Any], int]:
    pages = max(1, -(-len(rows) // page_size))
    return rows[(page - 1) * page_size : page * page_size], pages


def _answer(request: Request, content: BaseModel | list[ModelOut], version: str) -> Response:
    """JSON with an ETag that changes with the data, not with the moment of reading it."""
    if isinstance(content, BaseModel):
        text = content.model_dump_json()
    else:
        text = json.dumps([one.model_dump(mode="json") for one in content], ensure_ascii=False)
    tag = f'W/"{version}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    response = with_etag(request, text.encode(), "application/json")
    response.headers["ETag"] = tag
    return response
