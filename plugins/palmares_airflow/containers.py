"""Queued ClearML tasks as containers on a Docker host that has no ClearML agent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.docker.hooks.docker import DockerHook
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import DeviceRequest, Mount

if TYPE_CHECKING:
    from airflow.sdk import Context
    from clearml_provider.hook import ClearMLHook
    from clearml_provider.models import TaskInfo
    from docker.api import APIClient
    from palmares.leaderboard.clusters import Cluster, DockerHost

log = logging.getLogger(__name__)

CLUSTER_LABEL, TASK_LABEL, GPUS_LABEL = "palmares.cluster", "palmares.task", "palmares.gpus"
LOG_LINES = 200
"""Of the container, in the Airflow task's log; ClearML has the whole console."""
STOP_GRACE_S = 20
"""For the agent in a container to end its job and tell ClearML."""
ENGINE_TIMEOUT_S = 60
MAX_OUTAGE_S = 1800.0
"""Seconds that a Docker engine may be away while a job runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnd:
    """How a container ended."""

    exit_code: int | None
    """None: the container is gone, nobody knows how it ended."""
    oom_killed: bool = False
    error: str = ""
    """The engine's own word."""

    @property
    def text(self) -> str:
        if self.exit_code is None:
            return f"The container is gone: {self.error or 'it was removed, or the host lost it'}."
        if self.oom_killed:
            return f"The container's memory limit was reached (OOMKilled, exit status {self.exit_code})."
        return f"The container ended with exit status {self.exit_code}. {self.error}".strip()


def docker_hook(host: DockerHost) -> DockerHook:
    """A hook for the engine of *host*."""
    tls = DockerHook.construct_tls_config(
        ca_cert=host.tls_ca_cert, client_cert=host.tls_client_cert, client_key=host.tls_client_key
    )
    return DockerHook(
        docker_conn_id=host.registry_conn_id, base_url=host.url, tls=tls, timeout=ENGINE_TIMEOUT_S
    )


def answering(hook: DockerHook) -> APIClient:
    """The hook's client.

    Raises:
        ConnectionError: The engine does not answer.
    """
    try:
        return hook.api_client
    except AirflowException as error:  # its log has the reason
        raise ConnectionError("no connection") from error


def container_name(task_id: str, attempt: int) -> str:
    """One name an attempt: the engine refuses a second container of that name."""
    return f"palmares-{task_id}-{attempt}"


def running_containers(engine: APIClient, cluster: str) -> list[dict[str, Any]]:
    """The containers that run for this cluster, as the engine lists them."""
    found: list[dict[str, Any]] = engine.containers(filters={"label": f"{CLUSTER_LABEL}={cluster}"})
    return found


def taken_gpus(running: Iterable[Mapping[str, Any]]) -> set[int]:
    """Numbers of the GPUs that containers hold, by their labels."""
    held = (one["Labels"].get(GPUS_LABEL, "") for one in running)
    return {int(number) for numbers in held for number in numbers.split(",") if number}


def find_waiting(clusters: Iterable[Cluster], hook: ClearMLHook) -> list[dict[str, Any]]:
    """`waiting_jobs` of every Docker host; one whose engine is away does not hold up the others.

    Raises:
        AirflowFailException: An engine is away, and no other host has a job to start.
    """
    found: list[dict[str, Any]] = []
    away: list[str] = []
    for cluster in clusters:
        if cluster.docker is None:
            continue
        try:
            found += waiting_jobs(cluster, hook)
        except AirflowFailException as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence is enough
            away.append(str(error))
    if away and not found:
        raise AirflowFailException(" ".join(away))
    return found


def waiting_jobs(cluster: Cluster, hook: ClearMLHook) -> list[dict[str, Any]]:
    """Jobs in a cluster's queues that its free GPUs hold now, in the queues' order; missing queues are made.

    Returns:
        One mapping a job: ``cluster``, ``task_id``, ``attempt``, ``name``, ``gpus``.

    Raises:
        AirflowFailException: The engine does not answer; says where it was looked for.
    """
    from clearml_provider import api

    assert cluster.docker is not None
    names = set(cluster.queues.values())
    rows, _ = hook.run(api.queue_rows("name", "entries.task"))
    for name in sorted(names - {row["name"] for row in rows}):
        # No agent makes it, and nothing can be enqueued without it.
        hook.run(api.resolve_queue(name, create_if_missing=True))
        log.info("Queue %s of %s was made", name, cluster.name)
    queued = [entry["task"] for row in rows if row["name"] in names for entry in row.get("entries") or ()]
    if not queued:
        return []
    try:
        running = running_containers(answering(docker_hook(cluster.docker)), cluster.name)
    except (DockerException, OSError) as error:
        raise AirflowFailException(_unreachable(cluster.docker, error)) from error
    # A container takes its task out of the queue only when the agent in it has started.
    started = {name.removeprefix("/") for one in running for name in one["Names"]}
    free = cluster.gpus_per_node - len(taken_gpus(running))
    found = []
    tasks = hook.run(api.get_tasks(queued, fields=api.FULL_FIELDS))
    for task_id in queued:
        task = tasks[task_id]
        if container_name(task_id, task.attempt) in started:
            continue
        gpus = gpus_of(task, cluster)
        if gpus > free:
            # First come, first served: a small job behind a large one would keep it waiting for ever.
            log.info("%s waits for %s GPUs of %s, %s are free", task.name, gpus, cluster.name, free)
            break
        free -= gpus
        found.append(
            {
                "cluster": cluster.name,
                "task_id": task_id,
                "attempt": task.attempt,
                "name": task.name,
                "gpus": gpus,
            }
        )
    return found


def gpus_of(task: TaskInfo, cluster: Cluster) -> int:
    """GPUs that a job reserves: the plan's, or all where the host is handed out whole."""
    from palmares.contract import Hyperparameter

    planned = task.hyperparams.get("General", {}).get(Hyperparameter.GPUS_PER_NODE.value, "")
    if cluster.allocation == "node" or not planned.isdecimal():
        return cluster.gpus_per_node
    return min(max(1, int(planned)), cluster.gpus_per_node)


class RunJobOperator(DockerOperator):
    """Run one queued ClearML task in a container, as an agent would; wait for its end without a worker.

    In the container ``clearml-agent execute --require-queue`` takes the task out of its queue, runs it, and
    reports its end; so artifacts, consoles and failure classes are those of any agent. A task that left its
    queue meanwhile is not run. What ends the container without a word to ClearML (memory limit, a dead
    engine) is told to ClearML here.

    Args:
        job: ``cluster``, ``task_id``, ``attempt``, ``name`` and ``gpus``, see `waiting_jobs`. (templated)
        poll_interval: Seconds between looks at the container.
        clearml_conn_id: The connection whose keys the job gets.
        hub_conn_id: The connection whose address and token the job gets.
    """

    template_fields: Sequence[str] = ("job",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json"}

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        poll_interval: float = 10.0,
        clearml_conn_id: str = "clearml_default",
        hub_conn_id: str = "huggingface_hub",
        **kwargs: Any,
    ) -> None:
        # Image, address and limits are the cluster's: known once the job is.
        super().__init__(image="", mount_tmp_dir=False, auto_remove="force", **kwargs)
        self.job = job
        self.poll_interval = poll_interval
        self.clearml_conn_id = clearml_conn_id
        self.hub_conn_id = hub_conn_id

    @property
    def cli(self) -> APIClient:
        return answering(self.hook)

    def execute(self, context: Context) -> Any:
        """Start the container, unless it runs already, and defer.

        Raises:
            AirflowFailException: The engine refuses: no such image, network or folder. The task stays queued.
            AirflowSkipException: The task left its queue, or its GPUs are taken: it stays where it is.
        """
        cluster, host = self._cluster()
        name = container_name(self.job["task_id"], self.job["attempt"])
        try:
            container_id = self._started(name, cluster, host)
        except (APIError, DockerException, OSError) as error:
            if self.container is not None:
                self._remove(name)
            raise AirflowFailException(_refused(host, error)) from error
        self.log.info("ClearML task %s runs in container %s on %s", self.job["task_id"], name, host.url)
        self.defer(
            trigger=ContainerTrigger(
                container_id=container_id,
                engine=_engine(host),
                poll_interval=self.poll_interval,
            ),
            method_name="settle",
        )

    def settle(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Show the end of the container's log, tell ClearML what the agent in it could not, and remove it.

        Raises:
            AirflowFailException: The container did not end well; says how.
        """
        from clearml_provider.hook import ClearMLHook

        self._cluster()
        ended = ContainerEnd(**event)
        clearml = ClearMLHook(self.clearml_conn_id)
        try:
            self._show_log(clearml)
            tell_clearml(clearml, self.job["task_id"], attempt=self.job["attempt"], ended=ended)
        finally:
            clearml.close()
        self._remove(container_name(self.job["task_id"], self.job["attempt"]))
        if ended.exit_code != 0:
            raise AirflowFailException(f"{self.job['name']}: {ended.text}")
        return {"task_id": self.job["task_id"], "attempt": self.job["attempt"]}

    def _cluster(self) -> tuple[Cluster, DockerHost]:
        from palmares.leaderboard.settings import load_settings

        cluster = load_settings().cluster(self.job["cluster"])
        if cluster.docker is None:
            raise AirflowFailException(
                f"Cluster {cluster.name} has no Docker host any more: see clusters.yaml."
            )
        self.docker_url, self.image = cluster.docker.url, cluster.docker.image
        self.__dict__["hook"] = docker_hook(cluster.docker)
        return cluster, cluster.docker

    def _started(self, name: str, cluster: Cluster, host: DockerHost) -> str:
        """The id of the attempt's container, which runs or has run."""
        from palmares_airflow.services import open_services

        digest = self._digest(host)
        with (
            open_services() as services,
            services.store.database.advisory_lock(f"docker {host.url}", timeout_s=120),
        ):
            try:
                found = self.cli.inspect_container(name)
            except NotFound:
                self._check_queued()
            else:
                if found["State"]["Status"] == "created":  # a worker died before it started it
                    self.container = found
                    self.cli.start(found["Id"])
                return str(found["Id"])
            taken = taken_gpus(running_containers(self.cli, cluster.name))
            free = [number for number in range(cluster.gpus_per_node) if number not in taken]
            if len(free) < self.job["gpus"]:
                raise AirflowSkipException(
                    f"{self.job['name']} stays queued: {self.job['gpus']} GPUs of {cluster.name} are wanted, "
                    f"{len(free)} are free."
                )
            self.container = self._create(name, cluster, host, free[: self.job["gpus"]], digest)
            self.cli.start(self.container["Id"])
        return str(self.container["Id"])

    def _check_queued(self) -> None:
        from clearml_provider.hook import ClearMLHook
        from clearml_provider.models import TaskStatus

        clearml = ClearMLHook(self.clearml_conn_id)
        try:
            task = clearml.task(self.job["task_id"])
        finally:
            clearml.close()
        if task.status is not TaskStatus.QUEUED or task.attempt != self.job["attempt"]:
            raise AirflowSkipException(
                f"{task.name} is {task.status.value}, attempt {task.attempt}: another run has it, or a "
                "person took it out of its queue."
            )

    def _create(
        self, name: str, cluster: Cluster, host: DockerHost, gpus: Sequence[int], digest: str
    ) -> dict[str, Any]:
        # Not DockerOperator's own: it can neither drop capabilities nor bound processes, and it waits.
        devices = DeviceRequest(device_ids=[str(number) for number in gpus], capabilities=[["gpu"]])
        limits = self.cli.create_host_config(
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            init=True,  # reaps what a job leaves behind
            pids_limit=host.pids_limit,
            mem_limit=host.memory_bytes,
            memswap_limit=host.memory_bytes,
            shm_size=host.shm_bytes,
            network_mode=host.network,
            device_requests=[devices] if host.gpus else None,
            mounts=[
                Mount(one.target, one.source, type=one.type, read_only=one.read_only) for one in host.mounts
            ],
            log_config={"type": "json-file", "config": {"max-size": "20m", "max-file": "3"}},
        )
        found: dict[str, Any] = self.cli.create_container(
            image=self.image,
            name=name,
            entrypoint=["clearml-agent"],
            command=["execute", "--id", self.job["task_id"], "--require-queue"],
            environment=self._job_environment(host, digest),
            user=host.user,
            labels={
                CLUSTER_LABEL: cluster.name,
                TASK_LABEL: self.job["task_id"],
                GPUS_LABEL: ",".join(map(str, gpus)),
            },
            host_config=limits,
        )
        return found

    def _job_environment(self, host: DockerHost, digest: str) -> dict[str, str]:
        from airflow.sdk import Connection
        from clearml_provider.hook import ClearMLHook

        settings = ClearMLHook(self.clearml_conn_id).settings
        hub = Connection.get(self.hub_conn_id)
        return {
            "CLEARML_API_HOST": settings.api_host,
            "CLEARML_FILES_HOST": settings.files_host,
            "CLEARML_WEB_HOST": settings.web_host,
            "CLEARML_API_ACCESS_KEY": settings.access_key,
            "CLEARML_API_SECRET_KEY": settings.secret_key,
            "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
            "CLEARML_WORKER_ID": f"docker:{container_name(self.job['task_id'], self.job['attempt'])}",
            "HF_ENDPOINT": hub.host or "https://huggingface.co",
            "HF_TOKEN": hub.password or "",
            "PALMARES_IMAGE": digest,
            "PYTHONUNBUFFERED": "1",
            **host.environment,
        }

    def _digest(self, host: DockerHost) -> str:
        """The image by digest; it is pulled if the host lacks it."""
        try:
            image = self.cli.inspect_image(host.image)
        except ImageNotFound:
            self.log.info("Pulling %s to %s", host.image, host.url)
            try:
                self.cli.pull(host.image)
                image = self.cli.inspect_image(host.image)
            except APIError as error:
                raise AirflowFailException(
                    f"The Docker host {host.url} has no image {host.image} and cannot pull it: "
                    f"{error.explanation}. Load it there (docker load, docker pull), or correct docker.image "
                    "in clusters.yaml; the job stays queued."
                ) from error
        repo_digests = image.get("RepoDigests") or [f"{host.image}@{image['Id']}"]
        return str(repo_digests[0])

    def _show_log(self, clearml: ClearMLHook) -> None:
        from airflow.sdk import Connection
        from clearml_provider.redaction import redactor

        name = container_name(self.job["task_id"], self.job["attempt"])
        keys = [clearml.settings.access_key, clearml.settings.secret_key]
        hidden = redactor([*keys, Connection.get(self.hub_conn_id).password or ""])
        try:
            text = self.cli.logs(name, tail=LOG_LINES).decode(errors="replace")
        except (APIError, DockerException, OSError) as error:
            self.log.warning("The container's log cannot be read: %s", error)
            return
        for line in text.splitlines():
            self.log.info("%s", hidden(line))

    def _remove(self, name: str) -> None:
        try:
            self.cli.remove_container(name, force=True)
        except (APIError, DockerException, OSError) as error:
            if not isinstance(error, NotFound):
                self.log.warning("Container %s could not be removed: %s", name, error)


class ContainerTrigger(BaseTrigger):
    """Fire when a container has ended or is gone; the event is a `ContainerEnd`.

    Args:
        container_id: Which.
        engine: ``base_url`` and the three TLS paths of the engine.
        poll_interval: Seconds between looks.
        max_outage_s: Seconds that the engine may be away.
    """

    def __init__(
        self,
        *,
        container_id: str,
        engine: dict[str, str | None],
        poll_interval: float,
        max_outage_s: float = MAX_OUTAGE_S,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.container_id = container_id
        self.engine = engine
        self.poll_interval = poll_interval
        self.max_outage_s = max_outage_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "container_id": self.container_id,
                "engine": self.engine,
                "poll_interval": self.poll_interval,
                "max_outage_s": self.max_outage_s,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the container's end."""
        away_since: float | None = None
        while True:
            try:
                ended = await asyncio.to_thread(self._look)
            except (DockerException, OSError) as error:
                away_since = away_since or time.monotonic()
                self.log.warning("The Docker engine at %s is away: %s", self.engine["base_url"], error)
                ended = None
                if time.monotonic() - away_since > self.max_outage_s:
                    ended = ContainerEnd(exit_code=None, error=f"the engine is away: {error}")
            else:
                away_since = None
            if ended is not None:
                yield TriggerEvent(asdict(ended))  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poll_interval)

    async def on_kill(self) -> None:
        """A person marked the task failed or cleared it: stop the job; its agent tells ClearML."""
        try:
            await asyncio.to_thread(self._client().stop, self.container_id, timeout=STOP_GRACE_S)
        except (DockerException, OSError) as error:
            self.log.warning("Container %s could not be stopped: %s", self.container_id, error)

    def _look(self) -> ContainerEnd | None:
        try:
            state = self._client().inspect_container(self.container_id)["State"]
        except NotFound:
            return ContainerEnd(exit_code=None)
        if state["Running"] or state["Status"] == "created":
            return None
        return ContainerEnd(
            exit_code=state["ExitCode"], oom_killed=bool(state["OOMKilled"]), error=state["Error"]
        )

    def _client(self) -> APIClient:
        tls = DockerHook.construct_tls_config(
            ca_cert=self.engine["ca_cert"],
            client_cert=self.engine["client_cert"],
            client_key=self.engine["client_key"],
        )
        return answering(DockerHook(docker_conn_id=None, base_url=self.engine["base_url"], tls=tls))


def tell_clearml(hook: ClearMLHook, task_id: str, *, attempt: int, ended: ContainerEnd) -> None:
    """End a ClearML task whose container ended and whose agent did not say so."""
    from clearml_provider.flows import cancel
    from clearml_provider.flows.nodes import is_live
    from clearml_provider.models import TaskStatus
    from clearml_provider.outcomes import CAUSE_NODE_LOST

    task = hook.task(task_id)
    if task.attempt != attempt or not is_live(task) or task.status is TaskStatus.QUEUED:
        return  # ended, or another attempt's; a queued one was not begun
    if ended.oom_killed:
        hook.fail(task_id, reason=ended.text)
        return
    hook.run(cancel.cancel(task_id, attempt=attempt, cause=CAUSE_NODE_LOST, reason=ended.text, grace_s=0))


def _engine(host: DockerHost) -> dict[str, str | None]:
    return {
        "base_url": host.url,
        "ca_cert": host.tls_ca_cert,
        "client_cert": host.tls_client_cert,
        "client_key": host.tls_client_key,
    }


def _unreachable(host: DockerHost, error: Exception) -> str:
    return (
        f"The Docker engine at {host.url} does not answer: {error}. Check that it runs and that Airflow's "
        "user may use it; jobs stay queued meanwhile."
    )


def _refused(host: DockerHost, error: Exception) -> str:
    if isinstance(error, APIError):
        return (
            f"The Docker engine at {host.url} refused the container: {error.explanation}. Correct the block "
            "docker in clusters.yaml; the job stays queued."
        )
    return _unreachable(host, error)
