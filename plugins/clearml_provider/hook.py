"""The door from Airflow to ClearML: a connection's settings, clients, and the things that tasks do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from clearml_provider.client import AsyncClearMLClient, ClearMLClient
    from clearml_provider.connection import ClearMLSettings
    from clearml_provider.flows.read import Curve, QueueStatistics
    from clearml_provider.models import Queue, TaskEdit, TaskInfo, TaskSpec
    from clearml_provider.transport import Flow, RetryPolicy

T = TypeVar("T")

TEST_BUDGET_S = 5.0
"""How long the test button keeps trying: a person is waiting."""


class ClearMLHook(BaseHook):
    """Talk to the ClearML server that an Airflow connection of type ``clearml`` names.

    Args:
        clearml_conn_id: The connection: host is the API server, login and password are access and secret
            key, extra may hold files_host, web_host, verify_tls, ca_file, timeout_s and retry_budget_s.
        retry: How long one call keeps trying; None: the connection's retry_budget_s (60 s).
    """

    conn_name_attr = "clearml_conn_id"
    default_conn_name = "clearml_default"
    conn_type = "clearml"
    hook_name = "ClearML"

    def __init__(self, clearml_conn_id: str = default_conn_name, *, retry: RetryPolicy | None = None) -> None:
        super().__init__()
        self.clearml_conn_id = clearml_conn_id
        self.retry = retry

    @cached_property
    def settings(self) -> ClearMLSettings:
        """The connection, read once."""
        from clearml_provider.connection import ClearMLSettings

        return ClearMLSettings.from_airflow(self.get_connection(self.clearml_conn_id))

    @cached_property
    def _client(self) -> ClearMLClient:
        from clearml_provider.client import ClearMLClient

        return ClearMLClient(self.settings, retry=self.retry)

    @cached_property
    def _redacted(self) -> Callable[[str], str]:
        """Hides keys in a line of a console: agents write them there."""
        from clearml_provider.redaction import redactor

        return redactor([self.settings.access_key, self.settings.secret_key])

    def get_conn(self) -> ClearMLClient:
        """The blocking client, one for each hook."""
        return self._client

    async def aclient(self) -> AsyncClearMLClient:
        """A new awaiting client, for triggers; the caller closes it (``async with``)."""
        from clearml_provider.client import AsyncClearMLClient
        from clearml_provider.connection import ClearMLSettings

        connection = await self.aget_connection(self.clearml_conn_id)
        return AsyncClearMLClient(ClearMLSettings.from_airflow(connection), retry=self.retry)

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow of `api` or `flows` to its end."""
        return self.get_conn().run(flow)

    def test_connection(self) -> tuple[bool, str]:
        """What the button in the connection form does: sign in, and ask for the server's version."""
        from clearml_provider import api
        from clearml_provider.client import ClearMLClient
        from clearml_provider.exceptions import ClearMLError
        from clearml_provider.transport import RetryPolicy

        try:
            with ClearMLClient(self.settings, retry=RetryPolicy(budget_s=TEST_BUDGET_S)) as client:
                info = client.run(api.server_info())
        except ClearMLError as error:
            return False, str(error)
        return True, f"Signed in to ClearML server {info.get('version')} (API {info.get('api_version')})"

    def enqueue_once(
        self, spec: TaskSpec, queue: str, key: str, *, create_queue_if_missing: bool = False
    ) -> str:
        """See `clearml_provider.flows.enqueue.enqueue_once`; returns the task's id."""
        from clearml_provider.flows import enqueue

        flow = enqueue.enqueue_once(
            spec, queue=queue, key=key, create_queue_if_missing=create_queue_if_missing
        )
        return self.run(flow).id

    def create_once(self, spec: TaskSpec, key: str) -> TaskInfo:
        """A draft, made at most once for *key*; see `clearml_provider.flows.create.create_once`."""
        from clearml_provider.flows import create

        return self.run(create.create_once(spec, key=key))

    def edit(self, task_id: str, edit: TaskEdit) -> None:
        """Change a task in one call; see `clearml_provider.flows.create.edit_task`."""
        from clearml_provider.flows import create

        self.run(create.edit_task(task_id, edit))

    def enqueue(self, task_id: str, queue: str, *, create_queue_if_missing: bool = False) -> TaskInfo:
        """Put an existing task on its way, once; see `clearml_provider.flows.enqueue.enqueue_task`."""
        from clearml_provider.flows import enqueue

        flow = enqueue.enqueue_task(task_id, queue=queue, create_queue_if_missing=create_queue_if_missing)
        return self.run(flow)

    def task(self, task_id: str) -> TaskInfo:
        """A task with its hyperparameters, user properties and artifacts.

        Raises:
            ClearMLNotFoundError: It does not exist.
        """
        from clearml_provider import api

        return self.run(api.get_task(task_id, fields=api.FULL_FIELDS))

    def tasks(self, task_ids: Sequence[str]) -> dict[str, TaskInfo]:
        """Many tasks, without artifacts; every id comes back, or an error names those that do not."""
        from clearml_provider import api

        return self.run(api.get_tasks(task_ids))

    def find_by_key(self, key: str) -> TaskInfo | None:
        """The task that `enqueue_once` made for *key*, if any."""
        from clearml_provider.flows import create

        return self.run(create.find_by_key(key))

    def queues(self) -> list[Queue]:
        from clearml_provider import api

        return self.run(api.get_queues())

    def cancel(self, task_id: str, *, reason: str, grace_s: float = 30.0) -> bool:
        """Stop the task's current attempt, whoever waits; see `clearml_provider.flows.cancel.cancel`."""
        from clearml_provider import api
        from clearml_provider.flows.cancel import cancel

        attempt = self.run(api.get_task(task_id)).attempt
        flow = cancel(task_id, attempt=attempt, cause="cancelled", reason=reason, grace_s=grace_s)
        return self.run(flow)

    def fail(self, task_id: str, *, reason: str) -> None:
        """Declare the task failed where its agent cannot do so any more."""
        from clearml_provider import api

        self.run(api.failed(task_id, reason=reason))

    def log_tail(self, task_id: str, *, lines: int = 100) -> list[str]:
        """The console's last lines, keys hidden; they may quote the job's data."""
        from clearml_provider import api

        return [self._redacted(line) for line in self.run(api.get_log_tail(task_id, lines=lines))]

    def log_lines(self, task_id: str) -> Iterator[str]:
        """The whole console, line by line, read page by page, keys hidden; it may quote the job's data."""
        from clearml_provider.flows import read

        after: int | None = 0
        while after is not None:
            texts, after = self.run(read.get_log_page(task_id, after=after))
            for line in read.lines_of(texts):
                yield self._redacted(line)

    def single_values(self, task_id: str) -> dict[str, float]:
        """What the job reported as single values, by name."""
        from clearml_provider.flows import read

        return self.run(read.get_single_values(task_id))

    def scalars(self, task_id: str, *, samples: int = 100) -> dict[str, dict[str, Curve]]:
        """The job's curves, metric → variant → ``{"x", "y"}``, averaged down to *samples* points."""
        from clearml_provider.flows import read

        return self.run(read.get_scalars(task_id, samples=samples))

    def queue_statistics(self, names: Sequence[str] | None = None) -> list[QueueStatistics]:
        """How long queues are and who serves them; None: all of them."""
        from clearml_provider.flows import read

        return self.run(read.get_queue_statistics(names))

    def download_artifact(self, task_id: str, name: str, to: Path, **limits: Any) -> Path:
        """Fetch an artifact into the file *to*; see `clearml_provider.artifacts.download`."""
        from clearml_provider import artifacts

        return artifacts.download(
            self.get_conn(), artifacts.find_artifact(self.task(task_id), name), Path(to), **limits
        )

    @staticmethod
    def unpack_artifact(archive: Path, to: Path, **limits: Any) -> list[Path]:
        """Unpack a zip safely into the new folder *to*; see `clearml_provider.artifacts.unpack_zip`."""
        from clearml_provider import artifacts

        return artifacts.unpack_zip(Path(archive), Path(to), **limits)

    def task_url(self, task_id: str, project_id: str | None = None) -> str:
        """The task's page in ClearML's web UI."""
        return self.settings.task_url(task_id, project_id)

    def log_url(self, task_id: str, project_id: str | None = None) -> str:
        """The task's console in ClearML's web UI."""
        return self.settings.log_url(task_id, project_id)

    def queues_url(self) -> str:
        """The list of queues and agents in ClearML's web UI."""
        return self.settings.queues_url()

    def close(self) -> None:
        """Close the blocking client."""
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]
