"""What must not reach Airflow: keys on a console, data in reasons, secrets in errors."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import httpx
import pytest
from clearml_provider import api
from clearml_provider.artifacts import download
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLArtifactError,
    ClearMLConfigError,
    ClearMLTaskFailedError,
)
from clearml_provider.models import Artifact, TaskInfo, TaskSpec
from clearml_provider.operators import ClearMLFetchLogOperator, ClearMLWaitOperator
from clearml_provider.operators.base import validated
from clearml_provider.redaction import redactor, shown_reason, shown_url

from tests.plugins.clearml_provider.conftest import ACCESS_KEY, SECRET_KEY
from tests.plugins.clearml_provider.wire_script import WireScript
from tests.plugins.clearml_provider.workplace import Workplace, defer, fire

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEyMyJ9.c2lnbmF0dXJl-_x"
QUOTED = "KeyError: 'a hidden row'"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("api.credentials.access_key = AB12CD", "api.credentials.access_key = ***"),
        ('{"secret_key": "s3cr+t/=", "x": 1}', '{"secret_key": "***", "x": 1}'),
        ("CLEARML_API_SECRET_KEY=abc;next", "CLEARML_API_SECRET_KEY=***;next"),
        (f"token {TOKEN} sent", "token *** sent"),
        (f"token {TOKEN[:30]}", "token ***"),
        ("Authorization: Basic YWJjOmRlZg==", "Authorization: Basic ***"),
        ("cloning https://user:pass@git.test/a.git", "cloning https://***@git.test/a.git"),
        ("cloning ssh://git@git.test/a.git", "cloning ssh://git@git.test/a.git"),
        ("mine is ABCDEFGH, ABCDEFGHIJ and k", "mine is ***, *** and ***"),
        ("monkey, Basic training, my_key = 1", "monkey, Basic training, my_key = 1"),
        ("", ""),
    ],
)
def test_keys_are_hidden_and_the_rest_of_a_line_stays(line, shown):
    assert redactor(["ABCDEFGH", "ABCDEFGHIJ", "k", ""])(line) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("worker execution exit code -9", "worker execution exit code -9"),
        ("Forced stop (non-responsive)", "Forced stop (non-responsive)"),
        ("K8S glue error: no such image", "K8S glue error: no such image"),
        ("Exception the row says 42", "Exception (message withheld)"),
        ("Exception", "Exception"),
        (f"it stopped: {QUOTED}", "it stopped: KeyError (message withheld)"),
        ("Exception\nthe row says 42", "Exception (message withheld)"),
        ("stopped by hand\nthe row says 42", "stopped by hand"),
        ("\x1b[31mstopped\x00", "[31mstopped"),
        ("x" * 300, "x" * 200),
        (f"stopped with {TOKEN}", "stopped with ***"),
        (" \n", ""),
    ],
)
def test_a_reason_is_shown_as_far_as_it_is_clearmls_own(words, shown):
    assert shown_reason(words) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:1/a/b?signature=x#y", "https://h:1/a/b"),
        ("/login?next=x", "/login"),
        ("http://[", "an address that cannot be read"),
    ],
)
def test_an_address_is_shown_without_keys_and_query(url, shown):
    assert shown_url(url) == shown


def test_a_key_that_is_a_part_of_the_words_before_another_uncovers_nothing():
    assert redactor(["access"])("api.access_key = OTHERKEY") == "api.***_key = ***"
    assert redactor(["AB;CDEFG"])("secret_key = AB;CDEFG") == "secret_key = ***"


LINES = [
    f"api.credentials.access_key = {ACCESS_KEY}",
    f"the other is {SECRET_KEY}",
    "an agent's own access_key = OTHERKEY",
    f"Bearer {TOKEN}",
    "done",
]
KEYS = [ACCESS_KEY, SECRET_KEY, "OTHERKEY", TOKEN]


def as_it_is(line: str) -> str | None:
    return line


@pytest.mark.parametrize("show_line", [None, as_it_is], ids=["no filter", "filter"])
@pytest.mark.parametrize("to_a_file", [False, True])
def test_no_key_leaves_with_a_fetched_console(clearml: Workplace, tmp_path, show_line, to_a_file):
    task_id = clearml.enqueue()
    clearml.console(task_id, *LINES)
    file = str(tmp_path / "console.txt")
    fetched = ClearMLFetchLogOperator(
        task_id="log", clearml_task_id=task_id, show_line=show_line, destination=file if to_a_file else None
    ).execute({})
    lines = Path(file).read_text().splitlines() if to_a_file else fetched
    assert len(lines) == len(LINES)
    assert lines[-1] == "done"
    assert not [key for key in KEYS if key in "\n".join(lines)]


@pytest.mark.parametrize("show_line", [None, as_it_is], ids=["no filter", "filter"])
def test_no_key_and_nothing_quoted_reaches_the_log_of_a_failure(
    clearml: Workplace, caplog, monkeypatch, show_line
):
    """Nor the error, nor what is kept on the task, nor the next attempt's log."""
    task_id = clearml.enqueue()
    caplog.set_level(logging.INFO)
    for name in ("wait", "trigger"):  # evade caplog otherwise
        owner = "operators.ClearMLWaitOperator" if name == "wait" else "triggers.ClearMLTaskTrigger"
        monkeypatch.setattr(f"clearml_provider.{owner}.log", logging.getLogger(name))

    def wait() -> ClearMLWaitOperator:
        return ClearMLWaitOperator(
            task_id="wait", clearml_task_id=task_id, poll_interval=0.05, log_tail=9, show_line=show_line
        )

    deferred = defer(wait())
    clearml.console(task_id, *LINES)
    clearml.fail(reason=f"Exception {QUOTED}")
    with pytest.raises(ClearMLTaskFailedError, match=r"failed \(Exception \(message withheld\)\)") as told:
        wait().execute_complete({}, fire(deferred))
    defer(wait())  # the next attempt
    said = caplog.text + "".join(traceback.format_exception(told.value))
    assert "attempt 1: failed (Exception (message withheld))" in said
    assert "ClearML console | done" in said
    assert not [word for word in [*KEYS, "hidden row"] if word in said]
    assert "hidden row" not in clearml.task().user_properties["endings"]


def test_a_reason_falls_back_on_the_message_and_withholds_there_too():
    row = {"id": "t", "status": "failed", "status_message": f"Exception {QUOTED}"}
    assert TaskInfo.from_api(row).reason == "Exception (message withheld)"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hyperparams": {"General": {"hf_token": 12345678}}}, r"hf_token: [^(]*string\. Write"),
        ({"user_properties": {"apiKey": 12345678}}, r"apiKey: [^(]*string\. Write"),
        ({"hyperparams": {"General": {"max_tokens": 4}}}, r"max_tokens: .*\(got 4\)"),
        ({"user_properties": {"env": {"x": 12345678}}}, r"env: .*\(got a dict\)"),
        ({"script": "print(12345678)" * 20}, r"script: .*\(got 'print\(.{50,55}…\)"),
        ({"name": None, "comment": f"{TOKEN} 12345678"}, r"name: .*\(got None\)"),
        ({"comment": [f"{TOKEN} 12345678"]}, r"comment: .*\(got a list\)"),
    ],
)
def test_a_wrong_value_is_told_short_and_a_secret_one_not_at_all(changes, words):
    spec = {"name": "a job", "template_task_id": "t", **changes}
    with pytest.raises(ClearMLConfigError, match=words) as caught:
        validated(TaskSpec, spec, what="task_spec")
    shown = "".join(traceback.format_exception(caught.value))
    assert "validation error" not in shown  # pydantic's own, which quotes values
    assert TOKEN not in shown
    assert shown.count("12345678") <= ("script" in changes) * 8


def test_a_field_that_is_missing_quotes_nothing_of_the_others():
    spec = {"comment": "a hidden row"}
    with pytest.raises(ClearMLConfigError, match=r"name: Field required\.") as caught:
        validated(TaskSpec, spec, what="task_spec")
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("status", [302, 403, 404])
def test_the_signature_of_an_artifacts_address_is_in_no_traceback(tmp_path, status):
    uri = "http://files.test:8081/p/results.zip?signature=hidden"
    artifact = Artifact(key="results", uri=uri, size_bytes=1, sha256=None)
    reply = httpx.Response(status, headers={"Location": f"{uri}&more"} if status == 302 else None)
    with (
        WireScript(results__zip=reply).client() as client,
        pytest.raises(ClearMLArtifactError, match=f"answered HTTP {status}") as caught,
    ):
        download(client, artifact, tmp_path / "results.zip")
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


def test_a_redirection_is_told_without_its_query():
    reply = httpx.Response(302, headers={"Location": "https://u:p@sso.test/login?ticket=hidden"})
    with (
        WireScript(server__info=reply).client() as client,
        pytest.raises(ClearMLAPIError, match=r"redirected to https://sso\.test/login\)") as caught,
    ):
        client.run(api.server_info())
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
