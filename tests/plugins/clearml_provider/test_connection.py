"""From an Airflow connection to settings."""

from __future__ import annotations

import dataclasses
import json
import ssl
import traceback
from typing import Any

import pytest
from airflow.sdk import Connection
from clearml_provider.connection import ClearMLSettings
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.hook import ClearMLHook


def settings(extra: dict[str, Any] | None = None, **fields: Any) -> ClearMLSettings:
    fields = {"host": "http://h:8008", "login": "key", "password": "secret"} | fields
    extra_text = json.dumps(extra) if extra is not None else None
    return ClearMLSettings.from_airflow(Connection(conn_id="c", extra=extra_text, **fields))


@pytest.mark.parametrize(
    ("api", "files", "web"),
    [
        ("http://h:8008/", "http://h:8081", "http://h:8080"),
        ("https://api.clear.ml", "https://files.clear.ml", "https://app.clear.ml"),
    ],
)
def test_the_other_hosts_are_derived_from_the_api_server(api, files, web):
    found = settings(host=api)
    assert (found.files_host, found.web_host) == (files, web)


def test_extra_holds_what_the_form_offers():
    extra = {"files_host": "https://f/", "web_host": "https://w", "verify_tls": "false"}
    found = settings(extra | {"timeout_s": 5, "retry_budget_s": "7.5"})
    assert (found.files_host, found.web_host) == ("https://f", "https://w")
    assert (found.ssl_verify(), found.timeout_s, found.retry_budget_s) == (False, 5.0, 7.5)


def test_the_form_offers_every_field_that_is_read():
    from clearml_provider import get_provider_info

    info: Any = get_provider_info()
    (connection,) = info["connection-types"]
    read = {f.name for f in dataclasses.fields(ClearMLSettings)} - {"api_host", "access_key", "secret_key"}
    assert set(connection["conn-fields"]) == read
    assert connection["ui-field-behaviour"]["relabeling"].keys() == {"host", "login", "password"}


def test_extra_that_is_no_object_is_refused():
    with pytest.raises(ClearMLConfigError, match="its extra is list, expected a JSON object"):
        ClearMLSettings.from_airflow(Connection(conn_id="c", host="h", login="k", password="p", extra="[1]"))


def test_the_connections_budget_is_the_clients():
    from clearml_provider.client import ClearMLClient

    with ClearMLClient(settings({"retry_budget_s": 3})) as client:
        assert client.retry.budget_s == 3


def test_the_connection_may_come_from_a_uri(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_URI", "clearml://key:secret@clearml.test:8008/http")
    found = ClearMLHook("clearml_uri").settings
    assert (found.api_host, found.access_key, found.secret_key) == (
        "http://clearml.test:8008",
        "key",
        "secret",
    )


def test_a_uri_carries_the_extra_fields_too(monkeypatch):
    uri = "clearml://key:s%2Fecret@clearml.test:8008/http?files_host=http%3A%2F%2Ffiles.test%3A8081"
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_URI", f"{uri}&verify_tls=false&timeout_s=5&retry_budget_s=9")
    found = ClearMLHook("clearml_uri").settings
    assert (found.secret_key, found.files_host) == ("s/ecret", "http://files.test:8081")
    assert (found.verify_tls, found.timeout_s, found.retry_budget_s) == (False, 5.0, 9.0)


def test_the_connection_may_come_from_json(monkeypatch):
    conn = {"conn_type": "clearml", "host": "https://api.x.org", "login": "k", "password": "s"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CLEARML_JSON", json.dumps(conn | {"extra": {"web_host": "https://w.org"}})
    )
    hook = ClearMLHook("clearml_json")
    assert hook.task_url("t", "p") == "https://w.org/projects/p/experiments/t/execution"
    assert hook.log_url("t") == "https://w.org/projects/*/experiments/t/output/log"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": None}, "has no host"),
        ({"host": "ftp://h"}, "host is 'ftp://h'"),
        ({"host": "http://h:8008?x=1"}, "host is 'http://h:8008', expected an address"),
        ({"login": None}, "has no login"),
        ({"password": ""}, "has no password"),
        ({"extra": {"files_host": "files"}}, "files_host is 'files'"),
        ({"extra": {"verify_tls": "perhaps"}}, "verify_tls is 'perhaps'"),
        ({"extra": {"timeout_s": -1}}, "timeout_s is -1"),
        ({"extra": {"retry_budget_s": "soon"}}, "retry_budget_s is 'soon'"),
        ({"extra": {"ca_file": "/no/such.pem"}}, "'/no/such.pem' is not a file"),
    ],
)
def test_a_wrong_field_is_named(fields, words):
    with pytest.raises(ClearMLConfigError, match=words):
        settings(**fields)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"host": "http://user:hidden@h:8008"}, "host"),
        ({"host": "user:hidden@h", "port": 8008}, "host"),
        ({"host": "http://user:hid/den@h", "port": 8008}, "host"),
        ({"extra": {"files_host": "http://hidden@h:8081"}}, "files_host"),
        ({"extra": {"web_host": "user:hidden@h"}}, "web_host"),
    ],
)
def test_keys_in_an_address_are_refused_and_never_repeated(fields, key):
    with pytest.raises(ClearMLConfigError, match=f"{key} has a user or password before an @") as caught:
        settings(**fields)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hid" not in shown
    assert "den" not in shown


def test_settings_show_no_key():
    shown = repr(settings(login="my-access-key", password="my-secret-key"))
    assert "my-" not in shown


def test_a_ca_file_replaces_the_systems_authorities(tmp_path):
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        pytest.skip("this machine has no file of authorities to copy")
    text = open(system).read()  # noqa: PTH123, SIM115 - the whole file at once
    first = text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(first[first.index("-----BEGIN") :])
    context = settings({"ca_file": str(ca_file)}).ssl_verify()
    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) == 1


def test_a_ca_file_without_certificates_is_refused(tmp_path):
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    with pytest.raises(ClearMLConfigError, match=r"ca\.pem' cannot be used .*readable PEM file"):
        settings({"ca_file": str(ca_file)}).ssl_verify()


def test_the_secret_is_not_shown():
    assert "secret" not in repr(settings()).replace("secret_key", "")
