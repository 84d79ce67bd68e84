"""Answers' common parts: who asks, in which language, and whether the visitor has the answer already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from palmares.site.guard import Forms, RateLimit, digest_of
from palmares.site.i18n import choose_language
from palmares.site.settings import Language, Secrets, SiteSettings
from palmares.site.snapshot import Source
from palmares.site.submissions import SubmissionDesk

LANGUAGE_COOKIE, BROWSER_COOKIE = "language", "browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a request is answered with."""

    settings: SiteSettings
    secrets: Secrets
    source: Source
    desk: SubmissionDesk
    forms: Forms
    api_limit: RateLimit
    sender_limit: RateLimit
    address_limit: RateLimit


def address_of(request: Request) -> str:
    """The visitor's address, as the server saw it (uvicorn reads trusted proxies' headers)."""
    return request.client.host if request.client else "unknown"


def language_of(request: Request) -> Language:
    site: Site = request.app.state.site
    return choose_language(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
        site.settings.languages,
    )


def base_of(request: Request) -> str:
    """Public address of the site, without a slash at the end."""
    site: Site = request.app.state.site
    return (site.settings.base_url or str(request.base_url)).rstrip("/")


def with_etag(request: Request, content: bytes, media_type: str, *, vary: bool = False) -> Response:
    """Answer with *content*, or 304 if the visitor has it."""
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"} | (
        {"Vary": "Accept-Language, Cookie"} if vary else {}
    )
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def sender_of(request: Request, token: str | None) -> str | None:
    """Who asks: logged in at Hugging Face, or holder of a token that the operator gave out."""
    site: Site = request.app.state.site
    if site.secrets.oauth:
        from huggingface_hub import parse_huggingface_oauth

        info = parse_huggingface_oauth(request)
        if info is not None:
            return info.user_info.preferred_username
    return site.secrets.sender_tokens.get(digest_of(token)) if token else None
