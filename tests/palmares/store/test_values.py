from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palmares.leaderboard.errors import StoreError
from palmares.store.values import clean_json, json_sha256
from sqlalchemy import cast, select
from sqlalchemy.dialects.postgresql import JSONB

TEXT = st.text(st.characters(codec=None), max_size=20)
# JSONB writes floats without exponent, so that 1e16 comes back as an int: the same number, another spelling.
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(-1e15, 1e15, allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_whatever_json_comes_postgresql_gives_it_back(store, value):
    cleaned = clean_json({"value": value}, what="it")
    with store.database.transaction() as connection:
        assert connection.execute(select(cast(cleaned, JSONB))).scalar_one() == cleaned


@given(JSON)
def test_the_hash_forgets_the_order_of_keys_only(value):
    cleaned = clean_json({"a": value, "b": 1}, what="it")
    assert json_sha256(cleaned) == json_sha256(dict(reversed(cleaned.items())))
    assert json_sha256(cleaned) != json_sha256(cleaned | {"b": 2})


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"x", object()])
def test_what_is_no_json_is_refused_by_name(value):
    with pytest.raises(StoreError, match="the manifest cannot be stored as JSON"):
        clean_json({"value": value}, what="the manifest")


def test_tuples_and_mappings_become_plain_json():
    from types import MappingProxyType

    assert clean_json(MappingProxyType({"a": (1, 2)}), what="it") == json.loads('{"a": [1, 2]}')
