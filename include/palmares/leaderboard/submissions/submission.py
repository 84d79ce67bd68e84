"""A request that was admitted: pinned to a commit, and named by its job key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from palmares.leaderboard.submissions.about import AboutModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is evaluated, exactly; plain enough for XCom and the store."""

    request_path: str
    blob_oid: str
    """Of the request file that was admitted."""
    model_id: str
    revision: str
    """Commit, frozen at admission."""
    requested_revision: str
    base_model: str | None = None
    base_revision: str | None = None
    """Commit of the base model; None without one."""
    precision: str
    weight_type: str
    use_chat_template: bool
    submitted_time: str | None = None
    """ISO 8601, UTC."""
    sender: str | None = None
    likes: int = 0
    suite: str
    suite_hash: str
    backend: str | None = None
    limit_samples: int | None = None
    """None: all rows. Limited runs are preliminary and never published as scores."""
    seed: int
    evaluator_version: str
    run_number: int = 1
    about: AboutModel = field(default_factory=AboutModel)
    """Shown beside the scores; empty in submissions of an older version."""

    @property
    def job_key(self) -> str:
        """What names the one result of this submission."""
        return job_key(
            model_id=self.model_id,
            revision=self.revision,
            base_revision=self.base_revision,
            precision=self.precision,
            weight_type=self.weight_type,
            use_chat_template=self.use_chat_template,
            suite_hash=self.suite_hash,
            backend=self.backend,
            limit_samples=self.limit_samples,
            seed=self.seed,
            evaluator_version=self.evaluator_version,
            run_number=self.run_number,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, with ``job_key`` for readers that cannot compute it."""
        return {**asdict(self), "job_key": self.job_key}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Submission:
        """Read what :meth:`to_json` wrote; unknown members are ignored.

        Raises:
            pydantic.ValidationError: A member is missing or of the wrong kind.
        """
        return _ADAPTER.validate_python(dict(data))


_ADAPTER: TypeAdapter[Submission] = TypeAdapter(Submission)


def job_key(
    *,
    model_id: str,
    revision: str,
    base_revision: str | None,
    precision: str,
    weight_type: str,
    use_chat_template: bool,
    suite_hash: str,
    backend: str | None,
    limit_samples: int | None,
    seed: int,
    evaluator_version: str,
    run_number: int,
) -> str:
    """Hash everything that decides a result; who asked, and when, is not part of it.

    Returns:
        32 hex digits: the head of SHA-256 over the arguments as JSON with sorted keys.
    """
    identity = {
        "model_id": model_id,
        "revision": revision,
        "base_revision": base_revision,
        "precision": precision,
        "weight_type": weight_type,
        "use_chat_template": use_chat_template,
        "suite_hash": suite_hash,
        "backend": backend,
        "limit_samples": limit_samples,
        "seed": seed,
        "evaluator_version": evaluator_version,
        "run_number": run_number,
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
