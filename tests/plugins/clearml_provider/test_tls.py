"""Certificates: what the test button says of one that is not accepted, and how a CA file mends it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.hook import ClearMLHook
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.plugins.clearml_provider.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The API over TLS; its address and its certificate."""
    import uvicorn

    from devstack.servers.clearml.app import create_api_app

    folder = tmp_path_factory.mktemp("tls")
    pem = certificate(folder, "server")
    app = create_api_app(
        folder / "state", access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="on", ssl_certfile=pem, ssl_keyfile=pem)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server took too long to start"
        thread.join(0.01)
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", pem
    server.should_exit = True
    thread.join(10)
    listener.close()


def button(monkeypatch: pytest.MonkeyPatch, host: str, **extra: Any) -> tuple[bool, str]:
    """Press the connection form's test button."""
    connection = {"conn_type": "clearml", "host": host, "login": ACCESS_KEY, "password": SECRET_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_TLS", json.dumps(connection | {"extra": extra}))
    return ClearMLHook("clearml_tls").test_connection()


def test_a_ca_file_makes_an_own_certificate_accepted(tls_server, monkeypatch):
    host, pem = tls_server
    worked, words = button(monkeypatch, host, ca_file=str(pem))
    assert worked, words
    worked, words = button(monkeypatch, host, verify_tls=False)
    assert worked, words


def test_an_unknown_or_wrong_authority_is_told_at_once_with_the_next_step(tls_server, tmp_path, monkeypatch):
    host, _ = tls_server
    started = time.monotonic()
    for extra in ({}, {"ca_file": str(certificate(tmp_path, "another"))}):
        worked, words = button(monkeypatch, host, **extra)
        assert not worked
        assert f"The TLS certificate of {host} is not accepted" in words
        assert "Set the connection's ca_file" in words
        assert "\n" not in words
    assert time.monotonic() - started < 5, "it was tried again"


def test_a_port_without_tls_is_told(clearml, monkeypatch):
    host = clearml.hook.settings.api_host.replace("http:", "https:")
    worked, words = button(monkeypatch, host)
    assert not worked
    assert "does not speak TLS as expected" in words
    assert "http:// or https://" in words


def test_the_awaiting_client_says_the_same(tls_server, monkeypatch):
    import asyncio

    from clearml_provider import api

    host, _ = tls_server
    button(monkeypatch, host)

    async def ask() -> None:
        async with await ClearMLHook("clearml_tls").aclient() as client:
            await client.run(api.server_info())

    with pytest.raises(ClearMLConfigError, match="is not accepted"):
        asyncio.run(ask())


def test_a_ca_file_that_is_missing_or_empty_is_told(tls_server, tmp_path, monkeypatch):
    host, _ = tls_server
    worked, words = button(monkeypatch, host, ca_file=str(tmp_path / "none.pem"))
    assert (worked, "is not a file on this machine" in words) == (False, True)
    (tmp_path / "empty.pem").touch()
    worked, words = button(monkeypatch, host, ca_file=str(tmp_path / "empty.pem"))
    assert (worked, "has to be a readable PEM file" in words) == (False, True)
