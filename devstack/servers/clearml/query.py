"""Filters, order and pages of the ``get_all`` endpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from devstack.servers.clearml.documents import Document, compile_pattern, get_dotted, moment_of
from devstack.servers.clearml.protocol import ApiError, InternalError

MAX_ROWS = 500
"""The real server cuts every listing here and does not say so."""

_MAX_OFFSET = 1_000_000_000
_OPERATORS = {"__$all": "all", "__$and": "all", "__$any": "any", "__$or": "any"}
_NEGATION = "__$not"
_COMPARISON = re.compile(r"^(>=|<=|>|<)?(.*)$", re.DOTALL)
_EQUAL_FIELDS = ("hyperparams.", "runtime.", "configuration.")
_DATE_FIELDS = ("created", "started", "completed", "status_changed", "last_update", "last_change")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


StringList = Annotated[list[str], BeforeValidator(_as_list)]
TermList = Annotated[list[str | None], BeforeValidator(_as_list)]


class Pattern(BaseModel):
    """``_any_``: some of *fields* match the regular expression *pattern*."""

    pattern: str
    fields: list[str] = ["id", "name"]


class Query(BaseModel):
    """What a ``get_all`` body may hold; filters on dotted fields are kept as extras."""

    model_config = ConfigDict(extra="allow")

    id: StringList | None = None
    name: str | None = None
    only_fields: StringList | None = None
    order_by: StringList | None = None
    page: int | None = Field(default=None, ge=0, le=_MAX_OFFSET)
    page_size: int | None = Field(default=None, ge=1, le=_MAX_OFFSET)
    start: int | None = Field(default=None, ge=0, le=_MAX_OFFSET)
    size: int | None = Field(default=None, ge=1)
    search_hidden: bool = False
    any_of: Pattern | None = Field(default=None, alias="_any_")
    all_of: Pattern | None = Field(default=None, alias="_all_")

    tags: TermList | None = None
    system_tags: TermList | None = None
    project: TermList | None = None
    status: TermList | None = None
    type: TermList | None = None
    user: TermList | None = None
    parent: TermList | None = None
    queue: TermList | None = Field(default=None, alias="execution.queue")


_TERM_FIELDS = ("tags", "system_tags", "project", "status", "type", "user", "parent")


def select(documents: Iterable[Document], query: Query) -> list[Document]:
    """The documents that match, in order, one page of them, never more than `MAX_ROWS`.

    Raises:
        ApiError: 400/21 or 400/800 on a filter that makes no sense.
    """
    tests = _tests(query)
    matching = (document for document in documents if all(test(document) for test in tests))
    if query.page is not None or query.page_size is not None:
        size = min(query.page_size or MAX_ROWS, MAX_ROWS)
        first = (query.page or 0) * size
    else:
        size = min(query.size or MAX_ROWS, MAX_ROWS)
        first = query.start or 0
    if not query.order_by:
        return list(islice(matching, first, first + size))  # the rest is not even parsed
    found = list(matching)
    for field in reversed(query.order_by):
        key = field.removeprefix("-")
        found.sort(key=lambda document, key=key: _sort_key(get_dotted(document, key)), reverse=field != key)  # type: ignore[misc]
    return found[first : first + size]


def needles(query: Query) -> list[str]:
    """JSON strings that every matching document contains: a cheap test before parsing it."""
    found = [str(value) for field, value in _extras(query).items() if field.startswith(_EQUAL_FIELDS)]
    if query.tags and len(query.tags) == 1 and query.tags[0] and not query.tags[0].startswith(("-", "__$")):
        found.append(query.tags[0])
    return [json.dumps(value) for value in found if value]


def _extras(query: Query) -> dict[str, Any]:
    return query.model_extra or {}


def _tests(query: Query) -> list[Callable[[Document], bool]]:
    tests: list[Callable[[Document], bool]] = []
    if query.id is not None:
        wanted = set(query.id)
        tests.append(lambda document: document["id"] in wanted)
    if query.name:
        name = compile_pattern(query.name)
        tests.append(lambda document: name.search(document["name"]) is not None)
    for pattern, combine in ((query.any_of, any), (query.all_of, all)):
        if pattern is not None:
            tests.append(_pattern_test(pattern, combine))
    if not query.search_hidden and query.id is None:
        tests.append(lambda document: "hidden" not in document.get("system_tags", []))
    terms_of = {field: getattr(query, field) for field in _TERM_FIELDS} | {"execution.queue": query.queue}
    tests += [_terms_test(field, terms) for field, terms in terms_of.items() if terms]
    for field, value in _extras(query).items():
        if value is None:
            continue
        if field.startswith(_EQUAL_FIELDS):
            tests.append(_equality_test(field, value))
        elif field in _DATE_FIELDS:
            tests.append(_dates_test(field, value))
    return tests


def _pattern_test(
    pattern: Pattern, combine: Callable[[Iterable[object]], bool]
) -> Callable[[Document], bool]:
    expression = compile_pattern(pattern.pattern)
    return lambda document: combine(
        expression.search(str(get_dotted(document, field) or "")) is not None for field in pattern.fields
    )


def _equality_test(field: str, value: Any) -> Callable[[Document], bool]:
    if isinstance(value, (list, dict)):
        # Recorded: the real server stumbles over a list here. Clients must send the value itself.
        raise InternalError("'NoneType' object is not callable")
    return lambda document: get_dotted(document, field) == value


def _dates_test(field: str, value: Any) -> Callable[[Document], bool]:
    """``">=2026-01-01"``, or a list of such conditions, all of which must hold."""
    conditions = []
    for text in value if isinstance(value, list) else [value]:
        match = _COMPARISON.match(str(text))
        assert match is not None
        try:
            conditions.append((match[1] or "==", moment_of(match[2].strip())))
        except ValueError as e:
            raise ApiError(400, 800, "Invalid date", field=field, value=text) from e

    def test(document: Document) -> bool:
        if not (actual := document.get(field)):
            return False
        moment = moment_of(actual)
        compare = {
            ">=": moment.__ge__,
            "<=": moment.__le__,
            ">": moment.__gt__,
            "<": moment.__lt__,
            "==": moment.__eq__,
        }
        return all(compare[operator](limit) for operator, limit in conditions)

    return test


def _terms_test(field: str, terms: Sequence[str | None]) -> Callable[[Document], bool]:
    """ClearML's list filters: any of the values, all after ``__$all``, none after ``-`` or ``__$not``."""
    wanted: dict[str, set[str | None]] = {"any": set(), "all": set()}
    unwanted: dict[str, set[str | None]] = {"any": set(), "all": set()}
    mode, negated = "any", False
    for term in terms:
        if term in _OPERATORS:
            mode = _OPERATORS[term]
        elif term == _NEGATION:
            negated = True
        elif term is not None and term.startswith("__$") and term != "__$nop":
            raise ApiError(400, 800, "Unsupported operator", field=field, operator=term)
        elif term != "__$nop":
            minus = term is not None and term.startswith("-") and len(term) > 1
            (unwanted if negated or minus else wanted)[mode].add(term[1:] if term and minus else term)
            negated = False

    def test(document: Document) -> bool:
        value = get_dotted(document, field)
        values: set[str | None] = set(value) if isinstance(value, list) else {value}
        values = values or {None}
        return (
            (not wanted["any"] or bool(values & wanted["any"]))
            and wanted["all"] <= values
            and not values & unwanted["any"]
            and not (unwanted["all"] and unwanted["all"] <= values)
        )

    return test


def _sort_key(value: Any) -> tuple[int, Any]:
    """Orders values of mixed types, missing ones first."""
    if value is None or isinstance(value, (list, dict)):
        return (0, 0)
    return (1, value) if isinstance(value, (bool, int, float)) else (2, str(value))
