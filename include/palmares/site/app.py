"""The site: pages for readers and submitters, and the API beside them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from palmares.hub import Hub
from palmares.leaderboard.errors import HubError, RefusedError
from palmares.leaderboard.settings import Settings
from palmares.site import api, boards, pages
from palmares.site.guard import Forms, RateLimit
from palmares.site.settings import Secrets, SiteSettings
from palmares.site.snapshot import Source
from palmares.site.submissions import FormError, SubmissionDesk, read_form
from palmares.site.web import (
    BROWSER_COOKIE,
    LANGUAGE_COOKIE,
    Site,
    Tables,
    address_of,
    base_of,
    document_response,
    language_of,
    sender_of,
    with_etag,
)
from palmares.texts import translations, typeset

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
MAX_BODY_BYTES = 64 * 1024
"""Of a form or a submission; a larger one is refused unread."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_POLICY = (
    "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; "
    "form-action 'self' https://huggingface.co; frame-ancestors {ancestors}"
)


def create_app(
    site_settings: SiteSettings, *, settings: Settings | None = None, secrets_: Secrets | None = None
) -> FastAPI:
    """Build the application.

    Args:
        site_settings: Where the public data is.
        settings: The leaderboard's, for the admission checks; None: submissions are closed.
        secrets_: None: those of the environment.
    """
    given = secrets_ or Secrets.from_environment()
    source = Source(site_settings, Hub(endpoint=site_settings.endpoint, token=None))
    writer = Hub(endpoint=site_settings.endpoint, token=given.hub_token) if given.hub_token else None
    limits = site_settings.limits
    site = Site(
        settings=site_settings,
        secrets=given,
        source=source,
        tables=Tables(),
        desk=SubmissionDesk(site_settings, settings if given.takes_submissions else None, source, writer),
        forms=Forms(given.signing_key),
        api_limit=RateLimit(limits.requests_per_minute, 60),
        sender_limit=RateLimit(limits.submissions_per_hour, 3600),
        address_limit=RateLimit(limits.submissions_per_hour, 3600),
    )
    app = FastAPI(
        title=f"{site_settings.title}: public API",
        version="1",
        description="What is public of the leaderboard: scores, queue, requests. Times are UTC.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.site = site
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.middleware("http")(_guarded)
    if given.oauth:
        from huggingface_hub import attach_huggingface_oauth

        attach_huggingface_oauth(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.include_router(api.router)
    _add_pages(app)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(HubError, _hub_problem)
    return app


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse large bodies unread, count API calls, and set what every answer carries."""
    site: Site = request.app.state.site
    length = request.headers.get("content-length", "0")
    if request.method == "POST" and not (length.isdecimal() and int(length) <= MAX_BODY_BYTES):
        problem = {"detail": f"Send at most {MAX_BODY_BYTES} bytes, with a Content-Length."}
        return JSONResponse(problem, status_code=413)
    is_api = request.url.path.startswith("/api/")
    if is_api and (wait := site.api_limit.take(address_of(request))):
        headers = {"Retry-After": str(int(wait) + 1), "Access-Control-Allow-Origin": "*"}
        problem = {"detail": f"Too many requests from your address. Wait {int(wait) + 1} s."}
        return JSONResponse(problem, status_code=429, headers=headers)
    response = await call_next(request)
    response.headers.update(_HEADERS)
    ancestors = "*" if request.url.path == "/embed" else "'self' https://huggingface.co"
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(ancestors=ancestors))
    if is_api:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After, Link"
    return response


def _page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    language = language_of(request)
    text = pages.render(
        request.app.state.site.settings,
        name,
        language,
        base=base_of(request),
        path=request.url.path,
        **values,
    )
    response = HTMLResponse(text, status_code=status, headers={"Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") == language:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86400, samesite="lax")
    return response


def _add_pages(app: FastAPI) -> None:
    site: Site = app.state.site

    @app.get("/", include_in_schema=False)
    def board(request: Request) -> Response:
        snapshot = site.source.snapshot()
        return _page(request, "board.html", snapshot=snapshot, **boards.board_page(snapshot, site.settings))

    @app.get("/embed", include_in_schema=False)
    def embed(request: Request) -> Response:
        snapshot = site.source.snapshot()
        return _page(request, "embed.html", snapshot=snapshot, **boards.board_page(snapshot, site.settings))

    @app.get("/board.json", include_in_schema=False)
    def table(request: Request) -> Response:
        snapshot = site.source.snapshot()
        document = site.tables.get(snapshot, site.settings, language_of(request))
        return document_response(request, document, "application/json")

    @app.get("/models/{name:path}", include_in_schema=False)
    def model(request: Request, name: str) -> Response:
        snapshot = site.source.snapshot()
        rows = snapshot.by_name.get(name)
        if not rows:
            raise HTTPException(404)
        if all(row.name != name for row in rows):  # a former name
            return RedirectResponse(f"/models/{pages.quoted(rows[0].name)}", status_code=301)
        files = site.source.model_files(name)
        values = boards.model_page(snapshot, rows, files, site.settings)
        return _page(request, "model.html", snapshot=snapshot, **values)

    @app.get("/compare", include_in_schema=False)
    def compare(request: Request) -> Response:
        snapshot = site.source.snapshot()
        wanted = request.query_params.getlist("model")[: boards.MOST_COMPARED]
        values = boards.compare_page(snapshot, wanted, site.settings)
        return _page(request, "compare.html", snapshot=snapshot, **values)

    @app.get("/queue", include_in_schema=False)
    def queue(request: Request) -> Response:
        snapshot = site.source.snapshot()
        return _page(request, "queue.html", snapshot=snapshot, **boards.queue_page(snapshot))

    @app.get("/requests/{slug:path}", include_in_schema=False)
    def one_request(request: Request, slug: str) -> Response:
        snapshot = site.source.snapshot()
        found = snapshot.request(slug)
        if found is None:
            raise HTTPException(404)
        return _page(
            request, "request.html", snapshot=snapshot, one=found, rows=snapshot.by_name.get(found.model, ())
        )

    @app.get("/about", include_in_schema=False)
    def about(request: Request) -> Response:
        return _page(
            request, "about.html", snapshot=site.source.snapshot(), **boards.about_page(site.settings)
        )

    @app.get("/charts", include_in_schema=False)
    def charts(request: Request) -> Response:
        snapshot = site.source.snapshot()
        return _page(request, "charts.html", snapshot=snapshot, **boards.charts_page(snapshot))

    @app.get("/submit", include_in_schema=False)
    def form(request: Request) -> Response:
        return _form(request, {}, {})

    @app.post("/submit", include_in_schema=False)
    async def submit(request: Request) -> Response:
        return await _submit(request)

    @app.get("/feeds/{kind}.atom", include_in_schema=False)
    def feed(request: Request, kind: str) -> Response:
        if kind not in {"results", "failures"}:
            raise HTTPException(404)
        snapshot = site.source.snapshot()
        text = pages.render(
            site.settings, "feed.xml", language_of(request), base=base_of(request), path=request.url.path,
            snapshot=snapshot, **boards.feed(snapshot, kind),
        )  # fmt: skip
        return with_etag(request, text.encode(), "application/atom+xml")

    @app.get("/sitemap.xml", include_in_schema=False)
    def sitemap(request: Request) -> Response:
        snapshot = site.source.snapshot()
        text = pages.render(
            site.settings, "sitemap.xml", "en", base=base_of(request), path="", snapshot=snapshot
        )
        return with_etag(request, text.encode(), "application/xml")

    @app.get("/robots.txt", include_in_schema=False)
    def robots(request: Request) -> Response:
        text = f"User-agent: *\nDisallow: /api/\nSitemap: {base_of(request)}/sitemap.xml\n"
        return Response(text, media_type="text/plain")

    @app.get("/favicon.ico", include_in_schema=False)
    def favicon() -> Response:
        return RedirectResponse("/static/favicon.svg", status_code=301)


def _form(
    request: Request, given: Mapping[str, str], problems: Mapping[str, str], status: int = 200, **values: Any
) -> Response:
    site: Site = request.app.state.site
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(16)
    response = _page(
        request,
        "submit.html",
        status,
        snapshot=site.source.snapshot(),
        given=given,
        problems=problems,
        is_open=site.desk.is_open,
        oauth=site.secrets.oauth,
        sender=sender_of(request, None),
        form_token=site.forms.token(browser),
        **values,
    )
    response.set_cookie(
        BROWSER_COOKIE,
        browser,
        max_age=86400,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def _submit(request: Request) -> Response:
    """Check a form, show what would happen, and on a second, confirmed answer commit it."""
    from starlette.concurrency import run_in_threadpool

    site: Site = request.app.state.site
    fields = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    return await run_in_threadpool(_answer_form, request, site, fields)


def _answer_form(request: Request, site: Site, fields: dict[str, str]) -> Response:
    _ = translations(language_of(request)).gettext
    shown = {key: value for key, value in fields.items() if key not in {"token", "form_token"}}
    if not site.desk.is_open:
        return _form(request, shown, {}, 503)
    if not site.forms.accept(fields.get("form_token", ""), request.cookies.get(BROWSER_COOKIE, "")):
        problem = _("This form has been used or is too old. It is here again: send it once more.")
        return _form(request, shown, {"form": problem}, 400)
    sender = sender_of(request, fields.get("token"))
    if sender is None:
        problem = _("This token is not known. Ask the leaderboard's operator for one, or log in.")
        return _form(request, shown, {"token": problem}, 403)
    waits = (site.address_limit.take(address_of(request)), site.sender_limit.take(sender))
    if wait := max(waits):
        problem = _("Too many submissions. Try again in %(minutes)d minutes.") % {
            "minutes": int(wait / 60) + 1
        }
        response = _form(request, shown, {"form": problem}, 429)
        response.headers["Retry-After"] = str(int(wait) + 1)
        return response
    try:
        form = read_form(fields)
        if fields.get("action") != "submit":
            return _form(request, shown, {}, checked=site.desk.check(form), token=fields.get("token", ""))
        accepted = site.desk.submit(form, sender=sender)
    except FormError as error:
        return _form(request, shown, {key: _(text) for key, text in error.problems.items()}, 422)
    except RefusedError as error:
        refusal = error.refusal
        language = language_of(request)
        reason = typeset(refusal.message(language), language)
        return _form(request, shown, {}, 422, reason=reason, existing=site.desk.existing(form))
    return RedirectResponse(f"/requests/{pages.quoted(accepted.slug)}?submitted=1", status_code=303)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
    return _page(request, "problem.html", error.status_code, code=error.status_code, snapshot=None)


async def _hub_problem(request: Request, error: Exception) -> Response:
    log.warning("%s: %s", request.url.path, error)
    if request.url.path.startswith("/api/"):
        detail = {"detail": "The Hub does not answer. Try again in a minute."}
        return JSONResponse(detail, status_code=503, headers={"Retry-After": "60"})
    return _page(request, "problem.html", 503, code=503, snapshot=None)
