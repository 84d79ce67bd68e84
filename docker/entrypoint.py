"""Refuse to start Airflow with a missing or malformed secret, saying which; then become the command given.

Standard library only: it runs before anything else in the container.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

SECRETS = {  # Variable in the container: its name in .env.
    "AIRFLOW__API__SECRET_KEY": "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET": "AIRFLOW_JWT_SECRET",
}
URLS = {
    "AIRFLOW__CELERY__BROKER_URL": "REDIS_PASSWORD",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "POSTGRES_PASSWORD",
    "AIRFLOW_CONN_PALMARES_DB": "PALMARES_DB_PASSWORD, or the password in PALMARES_DB,",
}
JWT_SECRET_BYTES = 64  # HS512, which Airflow signs with, wants a key as long as its digest (RFC 7518, 3.2).


def problems(environment: Mapping[str, str], command: list[str]) -> Iterator[str]:
    """Say what in *environment* would keep *command* from working, one line each."""
    for variable, name in SECRETS.items():
        if not environment.get(variable):
            yield f"{name} is empty"
    if 0 < len(environment.get("AIRFLOW__API_AUTH__JWT_SECRET", "")) < JWT_SECRET_BYTES:
        yield f"AIRFLOW_JWT_SECRET is shorter than {JWT_SECRET_BYTES} characters"
    yield from _fernet_problems(environment.get("AIRFLOW__CORE__FERNET_KEY", ""))
    for variable, name in URLS.items():
        yield from _url_problems(environment.get(variable, ""), name)
    yield from _clearml_problems(environment.get("AIRFLOW_CONN_CLEARML_DEFAULT", ""))
    if command[:2] == ["airflow", "api-server"] and not environment.get("PALMARES_ADMIN_PASSWORD"):
        yield "AIRFLOW_ADMIN_PASSWORD is empty"


def _fernet_problems(key: str) -> Iterator[str]:
    try:
        if len(base64.urlsafe_b64decode(key)) != 32:
            yield "AIRFLOW_FERNET_KEY is not 32 bytes in URL-safe base64"
    except (binascii.Error, ValueError):
        yield "AIRFLOW_FERNET_KEY is not URL-safe base64"


def _url_problems(url: str, name: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # parsed here, where a "/" or "#" in the password shows
    except ValueError:
        yield f"{name} has a character that a URL cannot hold; use letters and digits"
        return
    if not parts.password:
        yield f"{name} is empty"
    elif not parts.hostname or not parts.path.strip("/"):
        yield f"{name} has a character that a URL cannot hold; use letters and digits"


def _clearml_problems(connection: str) -> Iterator[str]:
    if not connection:
        yield "AIRFLOW_CONN_CLEARML_DEFAULT is missing: docker-compose.yaml makes it of the CLEARML_… values"
        return
    try:
        fields = json.loads(connection)
    except json.JSONDecodeError:
        yield "a CLEARML_… value has a quotation mark or a backslash"
        return
    for field, name in {"login": "CLEARML_API_ACCESS_KEY", "password": "CLEARML_API_SECRET_KEY"}.items():
        if not fields.get(field):
            yield f"{name} is empty"


def write_admin_password(home: Path, password: str) -> None:
    """Hand the administrator's password to Airflow's simple auth manager, which otherwise makes one up."""
    path = home / "simple_auth_manager_passwords.json.generated"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"admin": password}) + "\n")


def main() -> None:
    command = sys.argv[1:]
    # What the image does by default needs no secret.
    found = [] if command == ["airflow", "version"] else list(problems(os.environ, command))
    if found or not command:
        for problem in found or ["no command was given"]:
            sys.stderr.write(f"palmares: {problem}\n")
        sys.exit("palmares: put it right in .env (a fresh one: python3 docker/make_env.py), then up again")
    if password := os.environ.pop("PALMARES_ADMIN_PASSWORD", ""):
        write_admin_password(Path(os.environ["AIRFLOW_HOME"]), password)
    os.execvp(command[0], command)  # noqa: S606  # the command is the image's or the compose file's


if __name__ == "__main__":
    main()
