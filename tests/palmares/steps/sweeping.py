"""Shorthands of the steps' tests: a sweep without Airflow and ClearML."""

from __future__ import annotations

import json
from typing import Any

from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.admission import Admitted, SweepOptions, admit_submissions, list_requests


def admit(services: Services, *, run: str = "night-1", **options: Any) -> Admitted:
    commit = list_requests(services)["commit"]
    return admit_submissions(services, commit, dag_run_id=run, options=SweepOptions.model_validate(options))


def claimed(admitted: Admitted) -> dict[str, Submission]:
    return {submission.model_id.split("/")[-1]: submission for submission in admitted.claimed}


def request_files(services: Services) -> dict[str, bytes]:
    repo = services.settings.hub.requests_repo
    files = services.hub.read_json_files(repo, commit=services.hub.head(repo))
    return {file.path: file.content for file in files}


def request(services: Services, path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request_files(services)[path])
    return loaded
