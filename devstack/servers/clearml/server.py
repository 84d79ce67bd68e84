"""Endpoints about the server itself and the person logged in."""

from __future__ import annotations

from typing import Any

from devstack.servers.clearml.documents import COMPANY, COMPANY_NAME, USER, USER_NAME
from devstack.servers.clearml.envelope import API_VERSION, SERVER_VERSION, Body, Call, Registry
from devstack.servers.clearml.query import Query

endpoint = Registry()


@endpoint("server.info")
def info(_: Call, __: Body) -> dict[str, Any]:
    return {"version": SERVER_VERSION, "build": "", "commit": "", "api_version": API_VERSION}


@endpoint("users.get_current_user")
def get_current_user(_: Call, __: Body) -> dict[str, Any]:
    company = {"id": COMPANY, "name": COMPANY_NAME}
    user = {"id": USER, "name": USER_NAME, "role": "admin", "company": company}
    return {"user": user, "getting_started": {}, "settings": {}}


@endpoint("models.get_all", Query)
def get_all_models(_: Call, __: Query) -> dict[str, Any]:
    """None: this server keeps no models, and has no endpoint that would make one."""
    return {"models": []}
