"""The checks of admission, each with its reasons, in the order in which they are made.

A check takes a `Case` and returns it, perhaps with what it found out, or raises `RefusedError` with one of
its codes. The cheap ones come first, so that a hostile name never reaches the Hub. Two more are made where
all submissions are known: that none is a duplicate, and that none has its result already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import HubGatedError, HubNotFoundError, RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.adapters import with_base
from palmares.leaderboard.planning.duration import History
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import Settings
from palmares.leaderboard.submissions.about import about_model
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction, current_name, standing
from palmares.leaderboard.submissions.names import validate_model_id, validate_revision
from palmares.leaderboard.submissions.refusals import refused
from palmares.leaderboard.submissions.request_file import RequestFile
from palmares.leaderboard.submissions.submission import Submission

FactsSource = Callable[[str, str], ModelFacts]
"""Model id and revision to facts; raises HubNotFoundError, HubGatedError or HubUnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request on its way through the checks: what was asked, and what was found out."""

    request: RequestFile
    blob_oid: str
    """Object id of the file's content."""
    settings: Settings
    facts: FactsSource
    """Asks the Hub."""
    suite_name: str
    suite_hash: str
    """See :func:`palmares.benchmarks.registry.suite_hash`."""
    limit_samples: int | None = None
    """Rows a task of a preliminary run; None: all."""
    cluster_name: str | None = None
    """Its backend enters the job key. None: the default cluster, and others with its backend."""
    moderation: Mapping[str, Moderation] = field(default_factory=dict)
    """What people decided, by name: a renamed model is evaluated under its new name."""
    history: Mapping[str, History] = field(default_factory=dict)
    """Past jobs by cluster, which correct forecasts."""
    model: ModelFacts | None = None
    """What is evaluated: an adapter together with its base. None until the Hub was asked."""
    submission: Submission | None = None
    """None until the Hub was asked."""
    plan: JobPlan | None = None
    """Where it would run; None until it was placed."""

    @property
    def model_id(self) -> str:
        """The name that the model has now."""
        return current_name(self.request.model_id, self.moderation)

    @property
    def base_model(self) -> str | None:
        """The model that decides the result too: adapters and deltas have one, originals mention theirs."""
        return self.request.base_model if self.request.weight_type in {"Adapter", "Delta"} else None

    @property
    def known(self) -> ModelFacts:
        assert self.model is not None  # is_on_the_hub comes first
        return self.model

    @property
    def pinned(self) -> Submission:
        assert self.submission is not None  # is_on_the_hub comes first
        return self.submission

    @property
    def placed(self) -> JobPlan:
        assert self.plan is not None  # fits_on_a_cluster comes first
        return self.plan


def has_a_legal_name(case: Case) -> Case:
    """The model's name is one that the Hub takes: no path, no option, no control character."""
    validate_model_id(case.request.model_id)
    return case


def has_a_legal_revision(case: Case) -> Case:
    """The revision can be a branch, tag or commit."""
    validate_revision(case.request.requested_revision)
    return case


def has_a_supported_precision(case: Case) -> Case:
    """The precision is among ``policies.precisions``."""
    allowed = case.settings.policies.precisions
    if case.request.precision not in allowed:
        raise refused("unsupported_precision", name=case.request.precision, allowed=", ".join(allowed))
    return case


def has_a_supported_weight_type(case: Case) -> Case:
    """The weight type is among ``policies.weight_types``."""
    allowed = case.settings.policies.weight_types
    if case.request.weight_type not in allowed:
        raise refused("unsupported_weight_type", name=case.request.weight_type, allowed=", ".join(allowed))
    return case


def names_its_base_model(case: Case) -> Case:
    """An adapter or delta names its base model."""
    if case.request.weight_type in {"Adapter", "Delta"}:
        if case.base_model is None:
            raise refused("missing_base_model", name=case.request.weight_type)
        validate_model_id(case.base_model)
    return case


def is_not_withdrawn(case: Case) -> Case:
    """Nobody withdrew the model, under any of its names."""
    decision = standing(case.request.model_id, case.moderation)
    if decision is not None and decision.action is ModerationAction.WITHDRAWN:
        raise refused("withdrawn", name=case.model_id, detail=decision.reason.rstrip("."))
    return case


def is_on_the_hub(case: Case) -> Case:
    """Model and revision exist and our token has access; the revision is frozen to its commit."""
    request, settings = case.request, case.settings
    own = _ask(case.facts, case.model_id, request.requested_revision)
    base = _ask(case.facts, case.base_model, "main") if case.base_model else None
    model = with_base(own, base)
    wanted = request.use_chat_template
    if wanted is None:
        wanted = settings.policies.use_chat_template_by_default
    submission = Submission(
        request_path=request.path,
        blob_oid=case.blob_oid,
        model_id=case.model_id,
        revision=own.commit,
        requested_revision=request.requested_revision,
        base_model=case.base_model,
        base_revision=base.commit if base else None,
        precision=request.precision,
        weight_type=request.weight_type,
        # A model without a template is prompted as plain text: lm-eval stops otherwise.
        use_chat_template=wanted and model.has_chat_template,
        submitted_time=request.submitted_time.isoformat() if request.submitted_time else None,
        sender=request.sender,
        likes=own.likes,
        suite=case.suite_name,
        suite_hash=case.suite_hash,
        backend=settings.cluster(case.cluster_name).backend,
        limit_samples=case.limit_samples,
        seed=settings.suite(case.suite_name).seed,
        evaluator_version=settings.evaluator_version,
        about=about_model(request, model),
    )
    return replace(case, model=model, submission=submission)


def has_a_config(case: Case) -> Case:
    """There is a ``config.json`` that can be read."""
    if case.known.config is None:
        raise refused("no_config", name=case.model_id)
    return case


def needs_no_code_of_its_own(case: Case) -> Case:
    """Transformers loads it without ``trust_remote_code``, or ``policies.allow_custom_code`` is set."""
    if case.known.custom_code and not case.settings.policies.allow_custom_code:
        raise refused("custom_code", name=case.model_id)
    return case


def has_weights_that_are_loaded(case: Case) -> Case:
    """There are weights in one of ``policies.weights_formats``: safetensors, since pickles run code."""
    allowed, found = case.settings.policies.weights_formats, case.known.weights_format
    if found not in allowed:
        detail = f"found: {found or 'none'}"
        raise refused("no_weights", name=case.model_id, detail=detail, allowed=", ".join(allowed))
    return case


def has_an_admitted_license(case: Case) -> Case:
    """Its licence is as ``admission.license`` asks."""
    policy, found = case.settings.admission.license, case.known.license
    if policy.mode != "off" and not found:
        raise refused("no_license", name=case.model_id)
    if policy.mode == "allow-list" and (found or "").lower() not in {one.lower() for one in policy.allowed}:
        raise refused(
            "license_not_allowed", name=case.model_id, license=str(found), allowed=", ".join(policy.allowed)
        )
    return case


def has_a_known_architecture(case: Case) -> Case:
    """The planner and the evaluator know its class, and its config is whole."""
    read_model_config(case.known, case.settings.policies.reading)
    return case


def fits_on_a_cluster(case: Case) -> Case:
    """The planner finds a place on the cluster asked for, or on one that gives the same result."""
    first: RefusedError | None = None
    for cluster in _clusters(case):
        try:
            plan = plan_job(
                case.known,
                case.pinned,
                case.settings.suite(case.suite_name),
                cluster,
                history=case.history.get(cluster.name),
                overrides=case.settings.overrides,
                reading=case.settings.policies.reading,
            )
        except RefusedError as error:
            first = first or error
        else:
            return replace(case, plan=plan)
    assert first is not None  # there is always the default cluster
    raise first


def has_a_tokenizer(case: Case) -> Case:
    """There is a tokenizer, unless ``admission.require_tokenizer`` is off or the Hub does not say."""
    if case.settings.admission.require_tokenizer and case.known.has_tokenizer is False:
        raise refused("no_tokenizer", name=case.model_id)
    return case


def has_the_chat_template_asked_for(case: Case) -> Case:
    """Where the request asks for a chat template there is one, unless plain text is allowed instead."""
    refuses = case.settings.admission.missing_chat_template == "refuse"
    if refuses and case.request.use_chat_template and not case.known.has_chat_template:
        raise refused("no_chat_template", name=case.model_id)
    return case


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check, and every code that it refuses with."""

    run: Callable[[Case], Case]
    codes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def meaning(self) -> str:
        """What holds when it passes, in a sentence."""
        return (self.run.__doc__ or "").strip()


CHECKS = (
    Check(run=has_a_legal_name, codes=("invalid_name",)),
    Check(run=has_a_legal_revision, codes=("invalid_revision",)),
    Check(run=has_a_supported_precision, codes=("unsupported_precision",)),
    Check(run=has_a_supported_weight_type, codes=("unsupported_weight_type",)),
    Check(run=names_its_base_model, codes=("missing_base_model", "invalid_name")),
    Check(run=is_not_withdrawn, codes=("withdrawn",)),
    Check(run=is_on_the_hub, codes=("not_found", "revision_not_found", "gated")),
    Check(run=has_a_config, codes=("no_config",)),
    Check(run=needs_no_code_of_its_own, codes=("custom_code",)),
    Check(run=has_weights_that_are_loaded, codes=("no_weights",)),
    Check(run=has_an_admitted_license, codes=("no_license", "license_not_allowed")),
    Check(run=has_a_known_architecture, codes=("incompatible",)),
    Check(run=fits_on_a_cluster, codes=("too_large", "incompatible")),
    Check(run=has_a_tokenizer, codes=("no_tokenizer",)),
    Check(run=has_the_chat_template_asked_for, codes=("no_chat_template",)),
)
"""All checks that need nothing but the request, the settings, people's decisions and the Hub; in order."""


def _ask(facts: FactsSource, model_id: str, revision: str) -> ModelFacts:
    try:
        return facts(model_id, revision)
    except HubGatedError as error:
        raise refused("gated", name=model_id) from error
    except HubNotFoundError as error:
        if error.what == "revision":
            raise refused("revision_not_found", name=model_id, revision=revision) from error
        raise refused("not_found", name=model_id) from error


def _clusters(case: Case) -> list[Cluster]:
    """The cluster asked for; else the default one, then the others whose backend gives the same result."""
    first = case.settings.cluster(case.cluster_name)
    if case.cluster_name:
        return [first]
    others = [one for one in case.settings.clusters.values() if one.name != first.name]
    return [first, *(one for one in others if one.backend == first.backend)]
