"""What listings are asked: filters, order, pages, and the fields to show."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from devstack.servers.clearml.documents import Document, get_dotted, moment_of, public
from devstack.servers.clearml.protocol import ApiError, LookupFieldError, PathCollisionError

MAX_ROWS = 500
"""The real server cuts every listing here without a sign of it."""

_MAX_OFFSET = 1_000_000_000
_OPERATORS = {"__$all": "all", "__$and": "all", "__$any": "any", "__$or": "any"}
_NEGATION = "__$not"
_COMPARISON = re.compile(r"^(>=|<=|>|<)?(.*)$", re.DOTALL)
_VALUE_FIELDS = ("runtime.", "execution.queue", "models.input.model")
"""Filters by equality."""
_DATE_FIELDS = ("status_changed", "last_update")
"""Filters by conditions such as ``>=2026-01-01``."""
_RANGE_FIELDS = ("created", "started", "active_duration", "last_iteration", "last_metrics.")
"""Filters by ``[least, most]``, either of which may be null."""

Fields = Mapping[str, Any]
"""What a document may have: a name and what is below it, `LEAF`, `ANY`, or the like again."""
LEAF: Fields = {}
ANY: Fields = {"*": {}}


def _each(names: str, below: Fields) -> Fields:
    return dict.fromkeys(names.split(), below)


TASK_FIELDS: Fields = {
    **_each(
        "id name user company type status status_reason status_message status_changed comment report"
        " report_assets created started completed published active_duration parent project tags system_tags"
        " last_worker last_worker_report last_update last_change last_iteration unique_metrics company_origin"
        " duration last_changed_by",
        LEAF,
    ),
    "execution": {
        **_each("test_split framework queue", LEAF),
        **_each("parameters model_desc model_labels artifacts", ANY),
    },
    "script": {
        **_each("binary repository tag branch version_num entry_point working_dir diff", LEAF),
        "requirements": ANY,
    },
    "output": _each("destination model result error view", LEAF),
    "models": _each("input output", ANY),
    **_each("hyperparams configuration runtime container last_metrics metric_stats", ANY),
}
QUEUE_FIELDS: Fields = {
    **_each("id name display_name company user created tags system_tags last_update", LEAF),
    "entries": _each("task added", LEAF),
    "metadata": ANY,
}
PROJECT_FIELDS: Fields = _each(
    "id name basename description user company created tags system_tags last_update featured parent path"
    " default_output_destination logo_url logo_blob company_origin",
    LEAF,
)


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
    scroll_id: str | None = None
    """Of the page before; a request that has the key, or ``size``, gets one for the next page."""
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

    @property
    def scrolls(self) -> bool:
        return self.size is not None or "scroll_id" in self.model_fields_set


_TERM_FIELDS = ("id", "tags", "system_tags", "project", "status", "type", "user", "parent")


def select(documents: Iterable[Document], query: Query, fields: Fields) -> list[Document]:
    """The documents that match, in order, one page of them, never more than `MAX_ROWS`.

    Args:
        fields: What such documents may have.

    Raises:
        ApiError: 400/12, 400/14 or 400/21 on a filter or an order that makes no sense.
    """
    tests = _tests(query)
    for field in query.order_by or ():
        _resolve(field.removeprefix("-"), fields)
    matching = (document for document in documents if all(test(document) for test in tests))
    if query.page is not None or query.page_size is not None:
        size = min(query.page_size or MAX_ROWS, MAX_ROWS)
        first = (query.page or 0) * size
    else:
        size = min(query.size or MAX_ROWS, MAX_ROWS)
        first = _scrolled(query.scroll_id) if query.scroll_id else query.start or 0
    if not query.order_by:
        return list(islice(matching, first, first + size))  # the rest is not even parsed
    found = list(matching)
    for field in reversed(query.order_by):
        key = field.removeprefix("-")
        found.sort(key=lambda document, key=key: _sort_key(get_dotted(document, key)), reverse=field != key)  # type: ignore[misc]
    return found[first : first + size]


def next_scroll_id(query: Query, shown: int) -> str:
    """What asks for the page after *shown* rows."""
    return f"{(_scrolled(query.scroll_id) if query.scroll_id else 0) + shown:032x}"


def _scrolled(scroll_id: str) -> int:
    try:
        return min(int(scroll_id, 16), _MAX_OFFSET)
    except ValueError as e:
        raise ApiError(400, 12, "Invalid scroll id", scroll_id=scroll_id) from e


def check_fields(only_fields: Iterable[str] | None, fields: Fields, *, references: bool = False) -> None:
    """Refuse fields that no such document has, and a field together with its own sub-field.

    Args:
        references: Sub-fields of ids are allowed, e.g. ``project.name``, and a field with its sub-field is.

    Raises:
        ApiError: 400/14, or HTTP 500 with sub-code 1, as the real server's database answers.
    """
    shown = [field for field in only_fields or () if not field.startswith("-")]
    for field in shown:
        _resolve(field, fields, references=references)
    for field in () if references else shown:
        parts = field.split(".")
        for depth in range(1, len(parts)):
            if (above := ".".join(parts[:depth])) in shown:
                raise PathCollisionError(above)


_REFERENCES = ("project", "parent", "user", "company")


def _resolve(field: str, fields: Fields, *, references: bool = False) -> None:
    below = fields
    for depth, part in enumerate(field.split(".")):
        if below is ANY or (references and depth and field.split(".")[0] in _REFERENCES):
            return
        if part not in below:
            raise LookupFieldError(part)
        below = below[part]


def project_fields(document: Mapping[str, Any], only_fields: Iterable[str] | None) -> Document:
    """*document* reduced to dotted *only_fields*; ``id`` too is there only when asked for.

    ``-field`` leaves a field out instead.
    """
    document = public(document)
    asked = list(only_fields or ())
    left_out = [field[1:] for field in asked if field.startswith("-")]
    asked = [field for field in asked if not field.startswith("-")]
    result: Document = {} if asked else copy.deepcopy(document) if left_out else document
    for field in asked:
        _copy_dotted(document, field.split("."), result)
    for field in left_out:
        _remove_dotted(result, field.split("."))
    return result


def _copy_dotted(source: Mapping[str, Any], parts: list[str], target: Document) -> None:
    name, rest = parts[0], parts[1:]
    if name not in source:
        return
    if not rest or not isinstance(source[name], Mapping):
        target[name] = copy.deepcopy(source[name])
        return
    _copy_dotted(source[name], rest, target.setdefault(name, {}))


def _remove_dotted(document: Document, parts: list[str]) -> None:
    for name in parts[:-1]:
        document = document.get(name, {})
        if not isinstance(document, dict):
            return
    document.pop(parts[-1], None)


def needles(query: Query) -> list[str]:
    """JSON strings that every matching document contains: a cheap test before parsing it."""
    found = [
        value
        for field, value in _extras(query).items()
        if field.startswith((*_VALUE_FIELDS, "hyperparams.")) and isinstance(value, str)
    ]
    if query.tags and len(query.tags) == 1 and query.tags[0] and not query.tags[0].startswith(("-", "__$")):
        found.append(query.tags[0])
    return [json.dumps(value) for value in found if value]


def _extras(query: Query) -> dict[str, Any]:
    return query.model_extra or {}


def _tests(query: Query) -> list[Callable[[Document], bool]]:
    tests: list[Callable[[Document], bool]] = []
    if query.name:
        name = _compiled(query.name)
        tests.append(lambda document: name.search(document["name"]) is not None)
    for pattern, combine in ((query.any_of, any), (query.all_of, all)):
        if pattern is not None:
            tests.append(_pattern_test(pattern, combine))
    if not query.search_hidden and not query.id:
        tests.append(lambda document: "hidden" not in document.get("system_tags", []))
    tests += [_terms_test(field, terms) for field in _TERM_FIELDS if (terms := getattr(query, field))]
    for field, value in _extras(query).items():
        if value is None:
            continue
        if field.startswith("hyperparams."):
            tests.append(_terms_test(field, value if isinstance(value, list) else [value]))
        elif field.startswith(_VALUE_FIELDS):
            tests.append(lambda document, field=field, value=value: get_dotted(document, field) == value)  # type: ignore[misc]
        elif field in _DATE_FIELDS:
            tests.append(_dates_test(field, value))
        elif field.startswith(_RANGE_FIELDS):
            tests.append(_range_test(field, value))
    return tests


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A client's filter as a regular expression.

    Raises:
        ApiError: 400/21.
    """
    try:
        return re.compile(pattern, flags)
    except re.error as e:
        raise ApiError(400, 21, err=str(e), extra_info=None) from e


def _pattern_test(
    pattern: Pattern, combine: Callable[[Iterable[object]], bool]
) -> Callable[[Document], bool]:
    """Unlike the filter by name, this one does not look at the letters' case."""
    expression = _compiled(pattern.pattern, re.IGNORECASE)
    return lambda document: combine(
        expression.search(str(get_dotted(document, field) or "")) is not None for field in pattern.fields
    )


def _range_test(field: str, value: Any) -> Callable[[Document], bool]:
    """Between two values, both included; without a least value, documents without the field match too."""
    if not isinstance(value, list) or len(value) != 2:
        raise ApiError(400, 12, f"Min and max values should be specified for range field {field}")
    if value == [None, None]:
        raise ApiError(400, 12, f"At least one of min or max values should be provided for field {field}")
    is_date = field in ("created", "started")
    try:
        least, most = (moment_of(each) if is_date and each is not None else each for each in value)
    except (TypeError, ValueError) as e:
        raise ApiError(400, 12, "Invalid date", field=field, value=value) from e

    def test(document: Document) -> bool:
        if (actual := get_dotted(document, field)) is None:
            return least is None
        if is_date:
            actual = moment_of(actual)
        return (least is None or actual >= least) and (most is None or actual <= most)

    return test


def _dates_test(field: str, value: Any) -> Callable[[Document], bool]:
    """``">=2026-01-01"``, or a list of such conditions, all of which must hold; bad ones are passed over."""
    conditions = []
    for text in value if isinstance(value, list) else [value]:
        match = _COMPARISON.match(str(text))
        assert match is not None
        try:
            conditions.append((match[1] or "==", moment_of(match[2].strip())))
        except ValueError:
            continue

    def test(document: Document) -> bool:
        if not (actual := document.get(field)):
            return not conditions
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
            raise ApiError(400, 12, "Unsupported operator", field=field, operator=term)
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
