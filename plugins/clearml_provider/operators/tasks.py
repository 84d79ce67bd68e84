"""Operators that change ClearML tasks: create, clone, edit, enqueue and abort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good, validated

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLCreateTaskOperator(ClearMLOperator):
    """Create a draft: from a script, from a repository, or as a clone of a template.

    Safe to run again: the task carries a key from its creation, and another try, a clear or an answer that
    got lost finds it by that key. Without *idempotency_key* the key is this Airflow task in this DAG run.

    Returns the ClearML task's id.

    Args:
        task_spec: `clearml_provider.models.TaskSpec` as a dict, checked before anything is sent.
        idempotency_key: What makes this task the same task; None: DAG, DAG run, task and map index.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("task_spec", "idempotency_key", "clearml_conn_id")
    template_fields_renderers = {"task_spec": "json"}  # noqa: RUF012 - as Airflow's own operators

    def __init__(
        self,
        *,
        task_spec: dict[str, Any] | XComArg,
        idempotency_key: str | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_spec = cast("dict[str, Any]", task_spec)
        self.idempotency_key = cast("str | None", idempotency_key)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Create once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: The spec or the template is wrong; not retried.
        """
        from clearml_provider.models import TaskSpec

        spec = validated(TaskSpec, self.task_spec, what=f"task_spec of {self.task_id}")
        task = self.hook.create_once(spec, key_of(context, self.idempotency_key))
        self._remember_links(task)
        self.log.info("ClearML task %s: %s", self.clearml_task_url, task.status)
        return task.id


class ClearMLCloneTaskOperator(ClearMLOperator):
    """Make a draft that is a copy of an existing task: its code, container and hyperparameters, no results.

    Safe to run again, as `ClearMLCreateTaskOperator` is. The template's user properties are not copied.

    Returns the clone's id.

    Args:
        template_task_id: The task to copy.
        name: The clone's; None: ``Clone of`` and the template's name.
        project: The clone's project by name, created when missing; None: the template's.
        hyperparams: Section → name → value, merged over the template's; strings only.
        user_properties: The clone's.
        tags: The clone's, instead of the template's.
        container: `clearml_provider.models.Container` as a dict, instead of the template's.
        idempotency_key: What makes this clone the same clone; None: DAG, DAG run, task and map index.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "template_task_id",
        "name",
        "project",
        "hyperparams",
        "user_properties",
        "tags",
        "container",
        "idempotency_key",
        "clearml_conn_id",
    )

    def __init__(
        self,
        *,
        template_task_id: str | XComArg,
        name: str | None = None,
        project: str | None = None,
        hyperparams: dict[str, dict[str, str]] | XComArg | None = None,
        user_properties: dict[str, str] | XComArg | None = None,
        tags: list[str] | XComArg | None = None,
        container: dict[str, str] | XComArg | None = None,
        idempotency_key: str | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.template_task_id = cast("str", template_task_id)
        self.name = name
        self.project = project
        self.hyperparams = cast("dict[str, dict[str, str]] | None", hyperparams)
        self.user_properties = cast("dict[str, str] | None", user_properties)
        self.tags = cast("list[str] | None", tags)
        self.container = cast("dict[str, str] | None", container)
        self.idempotency_key = cast("str | None", idempotency_key)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Clone once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: An argument is wrong, or there is no such template;
                not retried.
        """
        from clearml_provider.models import TaskSpec

        # Checked first, so that a wrong argument is refused without asking the server for the name.
        given = {
            "project": self.project,
            "template_task_id": self.template_task_id,
            "hyperparams": self.hyperparams or {},
            "user_properties": self.user_properties or {},
            "tags": self.tags or [],
            "container": self.container,
        }
        what = f"What {self.task_id} is to clone"
        spec = validated(TaskSpec, given | {"name": self.name or "to be named"}, what=what)
        if self.name is None:
            template = self.hook.task(self.template_task_id)
            spec = spec.model_copy(update={"name": f"Clone of {template.name}"})
        task = self.hook.create_once(spec, key_of(context, self.idempotency_key))
        self._remember_links(task)
        self.log.info("ClearML task %s: a clone of %s", self.clearml_task_url, self.template_task_id)
        return task.id


class ClearMLEditTaskOperator(ClearMLOperator):
    """Change some of a task's inputs, in one call: all of the changes are there afterwards, or none.

    Everything is checked before anything is sent. What is not named stays as it is. A job that runs has read
    its hyperparameters already: there only user properties and tags make sense.

    Returns the ClearML task's id.

    Args:
        clearml_task_id: The task.
        hyperparams: Section → name → value; strings only.
        user_properties: Name → value. Those by which the provider keeps attempts apart are refused.
        add_tags: Tags to add.
        remove_tags: Tags to remove, if they are there.
        container: `clearml_provider.models.Container` as a dict: image, arguments, setup_shell_script.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "clearml_task_id",
        "hyperparams",
        "user_properties",
        "add_tags",
        "remove_tags",
        "container",
        "clearml_conn_id",
    )

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        hyperparams: dict[str, dict[str, str]] | XComArg | None = None,
        user_properties: dict[str, str] | XComArg | None = None,
        add_tags: list[str] | XComArg | None = None,
        remove_tags: list[str] | XComArg | None = None,
        container: dict[str, str] | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.hyperparams = cast("dict[str, dict[str, str]] | None", hyperparams)
        self.user_properties = cast("dict[str, str] | None", user_properties)
        self.add_tags = cast("list[str] | None", add_tags)
        self.remove_tags = cast("list[str] | None", remove_tags)
        self.container = cast("dict[str, str] | None", container)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Edit the task.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: A value is not of its type, or there is no such task;
                not retried.
        """
        from clearml_provider.models import TaskEdit

        given = {
            "hyperparams": self.hyperparams,
            "user_properties": self.user_properties,
            "add_tags": self.add_tags,
            "remove_tags": self.remove_tags,
            "container": self.container,
        }
        named = {name: value for name, value in given.items() if value is not None}
        edit = validated(TaskEdit, named, what=f"What {self.task_id} is to change")
        task = self._found(self.clearml_task_id)
        self.hook.edit(task.id, edit)
        self.log.info("ClearML task %s: changed %s", self.clearml_task_url, ", ".join(sorted(named)))
        return task.id


class ClearMLEnqueueTaskOperator(ClearMLOperator):
    """Put an existing task on its way, after create, clone and edit; `ClearMLEnqueueOperator` is all in one.

    Safe to run again: a draft is enqueued, a task that is queued, running or done is adopted as it is, one
    that failed or was stopped starts its next attempt.

    Returns the ClearML task's id.

    Args:
        clearml_task_id: The task.
        clearml_queue: Name of an existing ClearML queue.
        create_queue_if_missing: Else an unknown queue is an error that lists the known ones.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "clearml_queue", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        clearml_queue: str | XComArg,
        create_queue_if_missing: bool = False,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.clearml_queue = cast("str", clearml_queue)
        self.create_queue_if_missing = create_queue_if_missing
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Enqueue it.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: There is no such queue or task; not retried.
        """
        task = self.hook.enqueue(
            self.clearml_task_id, self.clearml_queue, create_queue_if_missing=self.create_queue_if_missing
        )
        self._remember_links(task)
        self.log.info("ClearML task %s: %s, attempt %d", self.clearml_task_url, task.status, task.attempt)
        return task.id


class ClearMLEnqueueOperator(ClearMLOperator):
    """Create a ClearML task and enqueue it, once for a key, however often this runs.

    Running again (retry, clear, another DAG run, an answer that got lost) finds the task by its key: one that
    is queued, running or done is adopted; one that failed or was stopped starts its next attempt; one that is
    queued but in no queue, because its agent died on taking it, is requeued.

    Returns the ClearML task's id.

    Args:
        task_spec: `clearml_provider.models.TaskSpec` as a dict, checked when the task runs.
        clearml_queue: Name of an existing ClearML queue. (Not ``queue``: that is Airflow's own, which
            Celery's workers listen to.)
        idempotency_key: What makes this job the same job.
        create_queue_if_missing: Else an unknown queue is an error that lists the known ones.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("task_spec", "clearml_queue", "idempotency_key", "clearml_conn_id")
    template_fields_renderers = {"task_spec": "json"}  # noqa: RUF012 - as Airflow's own operators

    def __init__(
        self,
        *,
        task_spec: dict[str, Any] | XComArg,
        clearml_queue: str | XComArg,
        idempotency_key: str | XComArg,
        create_queue_if_missing: bool = False,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_spec = cast("dict[str, Any]", task_spec)
        self.clearml_queue = cast("str", clearml_queue)
        self.idempotency_key = cast("str", idempotency_key)
        self.create_queue_if_missing = create_queue_if_missing
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Enqueue once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: Spec, queue or template are wrong; not retried.
        """
        from clearml_provider.flows import enqueue
        from clearml_provider.models import TaskSpec

        spec = validated(TaskSpec, self.task_spec, what=f"task_spec of {self.task_id}")
        flow = enqueue.enqueue_once(
            spec,
            queue=self.clearml_queue,
            key=self.idempotency_key,
            create_queue_if_missing=self.create_queue_if_missing,
        )
        task = self.hook.run(flow)
        self._remember_links(task)
        self.log.info("ClearML task %s: %s, attempt %d", self.clearml_task_url, task.status, task.attempt)
        return task.id


class ClearMLAbortTaskOperator(ClearMLOperator):
    """Stop a task's current attempt, whoever waits for it: ask its agent, then end it by force.

    One that is over already, or was never enqueued, is left as it is.

    Returns ``{"task_id", "attempt", "status", "aborted"}``; ``aborted`` is false where nothing was to stop.

    Args:
        clearml_task_id: The task.
        reason: A sentence, kept in the user property ``stop_reason``: ClearML overwrites its own.
        grace_s: Seconds that the agent has; this Airflow task holds its slot for that long.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "reason", "clearml_conn_id")
    ui_color = "#fbe3dc"

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        reason: str = "Aborted by Airflow: {{ dag.dag_id }}, {{ run_id }}",
        grace_s: float = 30.0,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.reason = reason
        self.grace_s = grace_s
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> dict[str, Any]:
        """Abort it.

        Raises:
            ClearMLNotFoundError: There is no such task; not retried.
        """
        self._found(self.clearml_task_id)
        aborted = self.hook.cancel(self.clearml_task_id, reason=self.reason, grace_s=self.grace_s)
        task = self._found(self.clearml_task_id)
        self.log.info(
            "ClearML task %s: %s, %s",
            self.clearml_task_url,
            task.status,
            "aborted" if aborted else "nothing to abort",
        )
        return {"task_id": task.id, "attempt": task.attempt, "status": task.status.value, "aborted": aborted}


def key_of(context: Context, key: str | None) -> str:
    """*key*, or one that this task instance has in all its tries."""
    if key is not None:
        return key
    ti = context["ti"]
    return "/".join([ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index)])
