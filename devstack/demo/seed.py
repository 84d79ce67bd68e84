"""Fills a Hub with the demo: model repositories, one of them gated, and the requests dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ORGANISATION = "palmares-demo"
REQUESTS_REPO = f"{ORGANISATION}/requests"
GATED_MODEL = "autre-labo/modele-reserve"

_DEMO = Path(__file__).parent
MODELS_DIRECTORY = _DEMO / "models"
HUB_DIRECTORY = _DEMO / "hub"
REQUESTS_DIRECTORY = _DEMO / "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """What a call has changed; all empty when everything was there."""

    created: tuple[str, ...]
    """Repositories that did not exist."""
    uploaded: tuple[str, ...]
    """``repository/path`` of each file that was added or had changed."""
    gated: tuple[str, ...]
    """Models that were open."""

    @property
    def changed(self) -> bool:
        return bool(self.created or self.uploaded or self.gated)


def seed_hub(endpoint: str, token: str) -> SeedReport:
    """Make the demo's repositories complete; what is there already stays.

    Files of models are brought up to date. Request files are only added: those on the Hub carry what became
    of them since, and are never overwritten.

    Args:
        endpoint: Base URL of the Hub, e.g. ``http://127.0.0.1:8190``.
        token: May create repositories in `ORGANISATION` and in the gated model's namespace.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: The Hub refused.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint.rstrip("/"), token=token)
    created, uploaded, gated = [], [], []
    for repo_id, folder in _models():
        if not api.repo_exists(repo_id):
            api.create_repo(repo_id, exist_ok=True)
            created.append(repo_id)
        uploaded += _upload(api, repo_id, folder, repo_type="model", replace=True)
    if not api.model_info(GATED_MODEL).gated:
        api.update_repo_settings(GATED_MODEL, gated="manual")
        gated.append(GATED_MODEL)
    if not api.repo_exists(REQUESTS_REPO, repo_type="dataset"):
        api.create_repo(REQUESTS_REPO, repo_type="dataset", exist_ok=True)
        created.append(REQUESTS_REPO)
    uploaded += _upload(api, REQUESTS_REPO, REQUESTS_DIRECTORY, repo_type="dataset", replace=False)
    return SeedReport(created=tuple(created), uploaded=tuple(uploaded), gated=tuple(gated))


def _models() -> Iterator[tuple[str, Path]]:
    """Repository id and folder of each model."""
    for folder in sorted(path for path in MODELS_DIRECTORY.iterdir() if path.is_dir()):
        yield f"{ORGANISATION}/{folder.name}", folder
    for organisation in sorted(path for path in HUB_DIRECTORY.iterdir() if path.is_dir()):
        for folder in sorted(path for path in organisation.iterdir() if path.is_dir()):
            yield f"{organisation.name}/{folder.name}", folder


def _upload(api: HfApi, repo_id: str, folder: Path, *, repo_type: str, replace: bool) -> list[str]:
    """Commit, on what was read, the files that are missing, and with *replace* those that differ."""
    from huggingface_hub import CommitOperationAdd

    head = api.repo_info(repo_id, repo_type=repo_type).sha
    present = {
        entry.path: entry.blob_id
        for entry in api.list_repo_tree(repo_id, recursive=True, revision=head, repo_type=repo_type)
        if hasattr(entry, "blob_id")
    }
    wanted = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in present or (replace and present[name] != _git_blob_id(path)):
            wanted[name] = path
    if wanted:
        api.create_commit(
            repo_id,
            [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in wanted.items()],
            commit_message="Seed the demo",
            repo_type=repo_type,
            parent_commit=head,
        )
    return [f"{repo_id}/{name}" for name in wanted]


def _git_blob_id(path: Path) -> str:
    """The object id that git, and the Hub for files that are not in LFS, give to a file."""
    import hashlib

    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
