"""Decides whether a request is evaluated, pins it to a commit, and orders the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from include.leaderboard.errors import HubGatedError, HubNotFoundError, Refusal
from include.leaderboard.settings import Settings
from include.leaderboard.submissions.about import about_model
from include.leaderboard.submissions.model_facts import ModelFacts
from include.leaderboard.submissions.names import validate_model_id, validate_revision
from include.leaderboard.submissions.refusals import duplicate_refusal, refused
from include.leaderboard.submissions.request_file import RequestFile
from include.leaderboard.submissions.submission import Submission

__all__ = ["admit", "duplicate_refusal", "find_duplicates", "order", "validate_model_id"]

FactsSource = Callable[[str, str], ModelFacts]
"""Model id and revision to facts; raises HubNotFoundError, HubGatedError or HubUnavailableError."""


def admit(
    request: RequestFile,
    *,
    blob_oid: str,
    facts: FactsSource,
    settings: Settings,
    suite_name: str,
    suite_hash: str,
    limit_samples: int | None = None,
    run_number: int = 1,
    cluster_name: str | None = None,
) -> Submission:
    """Check a request and freeze it.

    The request's status is not looked at: whoever lists requests decides which are due. The cheap checks come
    first, so that a hostile name never reaches the Hub.

    Args:
        request: The parsed file.
        blob_oid: Object id of the file's content.
        facts: Asks the Hub.
        settings: Policies, seed, evaluator's version.
        suite_name: Suite to evaluate.
        suite_hash: See :func:`include.leaderboard.suites.suite_hash`.
        limit_samples: Rows a task of a preliminary run; None: all.
        run_number: Raised by ``force`` and RERUN; 1 for a first evaluation.
        cluster_name: Cluster whose backend enters the job key; None: the default one.

    Raises:
        RefusedError: The model cannot be evaluated, with a code of docs/requests.md.
        HubUnavailableError: The Hub is out of reach; not a refusal.
    """
    policies = settings.policies
    model_id = validate_model_id(request.model_id)
    validate_revision(request.requested_revision)
    if request.precision not in policies.precisions:
        raise refused("unsupported_precision", name=request.precision, allowed=", ".join(policies.precisions))
    if request.weight_type not in policies.weight_types:
        raise refused(
            "unsupported_weight_type", name=request.weight_type, allowed=", ".join(policies.weight_types)
        )
    base_model = _base_model(request)
    model = _ask(facts, model_id, request.requested_revision)
    _check_model(model, settings)
    base = _ask(facts, base_model, "main") if base_model else None
    wanted = request.use_chat_template
    if wanted is None:
        wanted = policies.use_chat_template_by_default
    return Submission(
        request_path=request.path,
        blob_oid=blob_oid,
        model_id=model_id,
        revision=model.commit,
        requested_revision=request.requested_revision,
        base_model=base_model,
        base_revision=base.commit if base else None,
        precision=request.precision,
        weight_type=request.weight_type,
        # A model without a template is prompted as plain text: lm-eval stops otherwise.
        use_chat_template=wanted and model.has_chat_template,
        submitted_time=request.submitted_time.isoformat() if request.submitted_time else None,
        sender=request.sender,
        likes=model.likes,
        suite=suite_name,
        suite_hash=suite_hash,
        backend=settings.cluster(cluster_name).backend,
        limit_samples=limit_samples,
        seed=settings.suite(suite_name).seed,
        evaluator_version=settings.evaluator_version,
        run_number=run_number,
        about=about_model(request, model),
    )


def find_duplicates(submissions: Iterable[Submission]) -> dict[str, Refusal]:
    """Refuse all but the first of the submissions that share a job key.

    The earliest submitted one wins, then the first path.

    Returns:
        Refusal ``duplicate``, naming the winner, by the loser's request path.
    """
    winners: dict[str, Submission] = {}
    losers: dict[str, Refusal] = {}
    for submission in sorted(submissions, key=_age):
        winner = winners.setdefault(submission.job_key, submission)
        if winner is not submission:
            losers[submission.request_path] = duplicate_refusal(winner.request_path)
    return losers


def order(submissions: Iterable[Submission]) -> Sequence[Submission]:
    """Put the queue in order: earliest submitted, then most liked, then path; undated ones come last."""
    return sorted(
        submissions, key=lambda submission: (_moment(submission), -submission.likes, submission.request_path)
    )


def _base_model(request: RequestFile) -> str | None:
    """The base model that decides the result: adapters and deltas have one, originals only mention theirs."""
    if request.weight_type not in {"Adapter", "Delta"}:
        return None
    if request.base_model is None:
        raise refused("missing_base_model", name=request.weight_type)
    return validate_model_id(request.base_model)


def _ask(facts: FactsSource, model_id: str, revision: str) -> ModelFacts:
    try:
        return facts(model_id, revision)
    except HubGatedError as error:
        raise refused("gated", name=model_id) from error
    except HubNotFoundError as error:
        if error.what == "revision":
            raise refused("revision_not_found", name=model_id, revision=revision) from error
        raise refused("not_found", name=model_id) from error


def _check_model(model: ModelFacts, settings: Settings) -> None:
    policies = settings.policies
    if model.config is None:
        raise refused("no_config", name=model.model_id)
    if model.custom_code and not policies.allow_custom_code:
        raise refused("custom_code", name=model.model_id)
    if model.weights_format not in policies.weights_formats:
        detail = f"found: {model.weights_format or 'none'}"
        raise refused(
            "no_weights", name=model.model_id, detail=detail, allowed=", ".join(policies.weights_formats)
        )


def _age(submission: Submission) -> tuple[datetime, str]:
    return _moment(submission), submission.request_path


def _moment(submission: Submission) -> datetime:
    if submission.submitted_time is None:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.fromisoformat(submission.submitted_time)
