"""The tables of our database; `migrations/` creates them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA_REVISION = "0009"
"""The newest migration; a test holds it equal to the one in ``migrations/versions``."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _json(name: str, *, nullable: bool = True) -> Column[object]:
    # none_as_null: "no plan" is SQL NULL, never the JSON text null.
    return Column(name, JSONB(none_as_null=True), nullable=nullable)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


evaluations = Table(
    "evaluations",
    metadata,
    Column("job_key", Text, primary_key=True),
    Column("request_path", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("precision", Text, nullable=False),
    _json("submission", nullable=False),
    Column("state", Text, nullable=False),
    Column("reached", Text, nullable=False, comment="last state on the way to published"),
    Column("dag_run_id", Text, nullable=False, comment="the run that holds the claim"),
    Column("clearml_task_id", Text),
    Column("attempt", Integer),
    _json("plan"),
    Column("failure_class", Text),
    Column("reason_code", Text),
    Column("reason", Text),
    _json("scores"),
    _now("created_at"),
    _now("updated_at"),
    CheckConstraint("state <> 'published' OR scores IS NOT NULL", name="published_has_scores"),
    CheckConstraint("attempt >= 1", name="attempt_from_one"),
    Index("ix_evaluations_dag_run_id_state", "dag_run_id", "state"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job_key", Text, ForeignKey("evaluations.job_key"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("clearml_task_id", Text, nullable=False),
    _json("plan", nullable=False),
    Column("failure_class", Text),
    Column("reason", Text),
    _now("started_at"),
    Column("ended_at", DateTime(timezone=True)),
    Column("ran_s", Float, comment="seconds in progress; null: nobody knows"),
    PrimaryKeyConstraint("job_key", "attempt"),
    CheckConstraint("attempt >= 1", name="attempt_from_one"),
)

accepted_results = Table(
    "accepted_results",
    metadata,
    # One row a key: this is what makes "at most one result" true.
    Column("job_key", Text, ForeignKey("evaluations.job_key"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    _json("manifest", nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("raw_url", Text, nullable=False),
    _now("accepted_at"),
)

refusals = Table(
    "refusals",
    metadata,
    Column("request_path", Text, nullable=False),
    Column("blob_oid", Text, nullable=False),
    Column("model_id", Text),
    Column("code", Text, nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_fr", Text, nullable=False),
    Column("dag_run_id", Text, nullable=False),
    _now("created_at"),
    Column("lifted_at", DateTime(timezone=True), comment="the request was admitted later"),
    PrimaryKeyConstraint("request_path", "blob_oid"),
    Index("ix_refusals_dag_run_id", "dag_run_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False),
    Column("repo_id", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content", LargeBinary, comment="emptied once committed"),
    _json("changes"),
    Column("digest", Text, nullable=False, comment="of what is to be written"),
    Column("job_key", Text),
    Column("message", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("reason", Text, comment="why it failed"),
    Column("commit_oid", Text, comment="null when there was nothing to change"),
    _now("created_at"),
    Column("settled_at", DateTime(timezone=True)),
    _now("ready_at"),
    UniqueConstraint("key"),
    CheckConstraint("kind IN ('put', 'edit_request', 'edit_card')", name="kind"),
    CheckConstraint("status IN ('pending', 'done', 'failed')", name="status"),
    CheckConstraint(
        "status = 'done' OR content IS NOT NULL OR changes IS NOT NULL",
        name="has_payload",
    ),
    Index("ix_outbox_pending", "repo_id", "id", postgresql_where=text("status = 'pending'")),
)

hub_commits = Table(
    "hub_commits",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("repo_id", Text, nullable=False),
    Column("mark", Text, nullable=False, comment="in the commit's description"),
    Column("parent", Text, nullable=False),
    Column("entry_ids", ARRAY(BigInteger), nullable=False, comment="of the outbox"),
    Column("files", Integer, nullable=False),
    Column("status", Text, nullable=False, server_default="sent"),
    Column("oid", Text),
    _now("sent_at"),
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("mark"),
    CheckConstraint("status IN ('sent', 'made', 'void')", name="status"),
    CheckConstraint("(status = 'made') = (oid IS NOT NULL)", name="made_has_oid"),
    Index("ix_hub_commits_endpoint_sent_at", "endpoint", "sent_at"),
    Index("ix_hub_commits_sent", "repo_id", postgresql_where=text("status = 'sent'")),
)

hub_repositories = Table(
    "hub_repositories",
    metadata,
    Column("endpoint", Text, nullable=False),
    Column("repo_id", Text, nullable=False),
    Column("last_commit", Text, comment="of ours"),
    Column("last_commit_at", DateTime(timezone=True)),
    Column("obstacle", Text, comment="why nothing is written now"),
    Column("reason", Text),
    Column("since", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("endpoint", "repo_id"),
    CheckConstraint(
        "(obstacle IS NULL) = (reason IS NULL) AND (obstacle IS NULL) = (since IS NULL)",
        name="obstacle_has_reason",
    ),
)

moderation = Table(
    "moderation",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("link", Text),
    Column("new_model_id", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    CheckConstraint("action IN ('flagged', 'withdrawn', 'renamed', 'lifted')", name="action"),
    CheckConstraint("(action = 'renamed') = (new_model_id IS NOT NULL)", name="rename_has_name"),
    Index("ix_moderation_model_id_id", "model_id", "id"),
)

request_blobs = Table(
    "request_blobs",
    metadata,
    Column("oid", Text, primary_key=True, comment="git's hash of the content"),
    Column("repo_id", Text, nullable=False, comment="the dataset that had it first"),
    Column("content", LargeBinary, nullable=False),
    Index("ix_request_blobs_repo_id", "repo_id"),
)

rescorings = Table(
    "rescorings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_key", Text, ForeignKey("evaluations.job_key"), nullable=False),
    Column("dag_run_id", Text, nullable=False),
    _json("scorers", nullable=False),
    _json("previous_scores", nullable=False),
    _json("scores"),
    _json("flips"),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    _now("created_at"),
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("job_key", "dag_run_id"),
    CheckConstraint(
        "outcome IN ('graded', 'queued', 'published', 'unchanged', 'parked', 'left_alone')",
        name="outcome",
    ),
    CheckConstraint("outcome IN ('parked', 'left_alone') OR scores IS NOT NULL", name="has_scores"),
    Index("ix_rescorings_dag_run_id", "dag_run_id"),
)

scorers = Table(
    "scorers",
    metadata,
    Column("task", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("dag_run_id", Text, nullable=False, comment="the run that saw it first"),
    _now("seen_at"),
)

row_scores = Table(
    "row_scores",
    metadata,
    Column("job_key", Text, ForeignKey("evaluations.job_key"), nullable=False),
    Column("task", Text, nullable=False),
    Column("scorer", Text, nullable=False, comment="its name, version and hash"),
    Column("row_set", Text, nullable=False, comment="hash of the row ids"),
    Column("scores", LargeBinary, nullable=False, comment="float32, by row id"),
    PrimaryKeyConstraint("job_key", "task"),
)
