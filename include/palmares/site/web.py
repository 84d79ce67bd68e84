"""Answers' common parts: who asks, in which language, and whether the visitor has the answer already."""

from __future__ import annotations

import gzip
import hashlib
import threading
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from palmares.site.boards import table_json
from palmares.site.guard import Forms, RateLimit, digest_of
from palmares.site.i18n import choose_language
from palmares.site.settings import Secrets, SiteSettings
from palmares.site.snapshot import Snapshot, Source
from palmares.site.submissions import SubmissionDesk
from palmares.texts import Language

LANGUAGE_COOKIE, BROWSER_COOKIE = "language", "browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a request is answered with."""

    settings: SiteSettings
    secrets: Secrets
    source: Source
    tables: Tables
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A large answer, made, hashed and compressed once for many visitors."""

    content: bytes
    compressed: bytes
    """The same with gzip."""
    tag: str
    """Its ETag."""

    @classmethod
    def of(cls, content: bytes) -> Document:
        return cls(content=content, compressed=gzip.compress(content, 6, mtime=0), tag=_tag(content))


class Tables:
    """The table's rows as JSON, a document for each language, made anew when the table changes."""

    def __init__(self) -> None:
        self._kept: dict[Language, tuple[str, Document]] = {}
        self._lock = threading.Lock()

    def get(self, snapshot: Snapshot, settings: SiteSettings, language: Language) -> Document:
        """Return the document of *snapshot*'s rows; visitors that come while it is made wait for it."""
        with self._lock:
            kept = self._kept.get(language)
            if kept is None or kept[0] != snapshot.contents_commit:
                content = table_json(snapshot, settings, language)
                kept = self._kept[language] = (snapshot.contents_commit, Document.of(content))
            return kept[1]


def document_response(request: Request, document: Document, media_type: str) -> Response:
    """Answer with *document* in the form that the visitor takes, or 304 if the visitor has it."""
    headers = {
        "ETag": document.tag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Language, Accept-Encoding, Cookie",
    }
    if document.tag in _known(request):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(document.compressed, media_type=media_type, headers=headers)
    return Response(document.content, media_type=media_type, headers=headers)


def with_etag(request: Request, content: bytes, media_type: str) -> Response:
    """Answer with *content*, or 304 if the visitor has it."""
    headers = {"ETag": _tag(content), "Cache-Control": "no-cache"}
    if headers["ETag"] in _known(request):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _tag(content: bytes) -> str:
    return f'W/"{hashlib.sha256(content).hexdigest()[:24]}"'


def _known(request: Request) -> list[str]:
    return [one.strip() for one in request.headers.get("if-none-match", "").split(",")]


def sender_of(request: Request, token: str | None) -> str | None:
    """Who asks: logged in at Hugging Face, or holder of a token that the operator gave out."""
    site: Site = request.app.state.site
    if site.secrets.oauth:
        from huggingface_hub import parse_huggingface_oauth

        info = parse_huggingface_oauth(request)
        if info is not None:
            return info.user_info.preferred_username
    return site.secrets.sender_tokens.get(digest_of(token)) if token else None
