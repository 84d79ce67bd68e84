"""The Dockerfiles copy what the build context holds, run as an ordinary user, and hold no secret."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ["Dockerfile", "Dockerfile.evaluator"]

needs_every_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, continuation lines joined, comments left out."""
    lines = (ROOT / dockerfile).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def copied_from_context(dockerfile: str) -> list[str]:
    arguments = [rest.split() for name, rest in instructions(dockerfile) if name == "COPY"]
    return [source for parts in arguments if "--from" not in parts[0] for source in parts[:-1]]


def in_context(path: str) -> bool:
    """Whether .dockerignore lets *path* through: the last pattern that matches decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if not line or line.startswith("#"):
            continue
        parents = [path, *(str(parent) for parent in Path(path).parents)]
        names = [*parents, *(f"x/{name}" for name in parents)] if pattern.startswith("**/") else parents
        if any(fnmatch.fnmatch(name, pattern.replace("**/", "*/")) for name in names):
            kept = line.startswith("!")
    return kept


@needs_every_dockerfile
def test_what_is_copied_exists_and_is_in_the_build_context(dockerfile: str):
    sources = copied_from_context(dockerfile)
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert in_context(source), source


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".palmares/stack.json", ".venv/bin/python", "include/a.pyc", "secret.txt"]
)
def test_secrets_and_state_stay_out_of_the_build_context(path: str):
    assert not in_context(path)


@pytest.mark.parametrize("path", ["plugins/.airflowignore", "include/config/clusters.yaml", "dags/x.py"])
def test_what_the_images_need_is_in_the_build_context(path: str):
    assert in_context(path)


@needs_every_dockerfile
def test_every_final_stage_runs_as_an_ordinary_user(dockerfile: str):
    stages: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions(dockerfile):
        if name == "FROM":
            stages[rest.rpartition(" AS ")[2]] = current = []
        elif stages:
            current.append((name, rest))
    built_on = {rest.split()[0] for name, rest in instructions(dockerfile) if name == "FROM"}
    copied = set(re.findall(r"--from=(\S+)", (ROOT / dockerfile).read_text()))
    final = {stage: content for stage, content in stages.items() if stage not in built_on | copied}
    assert len(final) == (2 if dockerfile == "Dockerfile.evaluator" else 1)
    for stage, content in final.items():
        assert content[-1] == ("USER", "10001:0") or ("USER", "10001:0") in content, stage


@needs_every_dockerfile
def test_no_secret_is_an_argument_or_variable_of_the_build(dockerfile: str):
    declared = [rest for name, rest in instructions(dockerfile) if name in {"ARG", "ENV"}]
    assert declared
    assert not [rest for rest in declared if re.search(r"(?i)token|password|secret|_key", rest)]


@needs_every_dockerfile
def test_python_packages_come_from_a_hashed_lock(dockerfile: str):
    runs = [rest for name, rest in instructions(dockerfile) if name == "RUN"]
    commands = [step.strip() for run in runs for step in run.split("&&")]
    for command in (step for step in commands if step.startswith("pip install")):
        editable = "--no-build-isolation --editable" in command
        torch = '"torch==${TORCH_VERSION}"' in command
        assert "--require-hashes" in command or editable or torch, command
