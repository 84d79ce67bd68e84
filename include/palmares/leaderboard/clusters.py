"""The machines that a job can be placed on, and the constants that its plan is computed with."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator


class Memory(BaseModel):
    """Constants of the memory estimate, in bytes a GPU; estimates, to be calibrated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine_bytes: int = Field(ge=0)
    """The engine's own: CUDA context, libraries."""
    communication_bytes: int = Field(ge=0)
    """NCCL's buffers; counted when a job spans several GPUs."""
    graphs_bytes: int = Field(ge=0)
    """CUDA graphs; not counted with ``enforce_eager``."""
    batched_tokens: PositiveInt
    """Tokens of one step, whose activations live at once."""


class Speed(BaseModel):
    """Constants of the wall-time estimate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    startup_s: float = Field(ge=0)
    load_bytes_per_s: float = Field(gt=0)
    """Reading weights from the cluster's storage."""
    memory_bytes_per_s: float = Field(gt=0)
    """GPU memory bandwidth: what a decoding step is bound by."""
    flops: float = Field(gt=0)
    """Sustained floating-point operations a second: what prefill is bound by."""
    step_s: float = Field(default=0.01, ge=0)
    """Fixed cost of one decoding step."""
    margin: float = Field(default=3.0, ge=1)
    """The wall time is this many times the estimate while there is no history of past jobs."""
    quantile: float = Field(default=0.95, gt=0, le=1)
    """With a history: share of jobs that should end within their wall time."""


class Mount(BaseModel):
    """A folder of the Docker host, or a named volume, that jobs see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1)
    """An absolute path on the host, or a volume's name."""
    target: str = Field(pattern=r"^/.+")
    """Where the job sees it."""
    read_only: bool = True

    @property
    def type(self) -> Literal["bind", "volume"]:
        return "bind" if self.source.startswith("/") else "volume"


class DockerHost(BaseModel):
    """A host with a Docker engine and no ClearML agent: Airflow starts a container for each queued job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^(unix|tcp|https?)://.+")
    """The engine's address, ``unix:///var/run/docker.sock`` or ``tcp://host:2376``."""
    tls_ca_cert: str | None = None
    """Paths on Airflow's workers and triggerers; all three or none."""
    tls_client_cert: str | None = None
    tls_client_key: str | None = None
    registry_conn_id: str | None = None
    """Airflow connection of type ``docker`` with the registry's credentials; None: the image is public, or on
    the host already."""
    image: str = Field(min_length=1)
    """Of the evaluator; best by digest (``name@sha256:…``). The digest is kept in each provenance."""
    network: str = "bridge"
    """A network of the engine from which ClearML and the Hub are reached; best one that reaches no more."""
    user: str | None = None
    """``uid:gid``; None: the image's own."""
    memory_bytes: PositiveInt | None = None
    """A container's limit, swap included; None: the host's memory."""
    shm_bytes: PositiveInt = 2**30
    """Of ``/dev/shm``, which GPU workers talk through."""
    pids_limit: PositiveInt = 4096
    gpus: bool = True
    """False: no GPU is passed on (``gpus_per_node`` then counts places)."""
    mounts: tuple[Mount, ...] = ()
    environment: dict[str, str] = {}
    """Added to a job's environment, such as another address of ClearML inside the network. No secrets: keys
    come from Airflow's connections."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        given = [self.tls_ca_cert, self.tls_client_cert, self.tls_client_key]
        if any(given) and not all(given):
            raise ValueError("docker: tls_ca_cert, tls_client_cert and tls_client_key are given together")
        return self


class Cluster(BaseModel):
    """One cluster: ``clusters.yaml`` holds these by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    nodes: PositiveInt
    gpus_per_node: PositiveInt
    gpu_memory_bytes: PositiveInt
    allocation: Literal["node", "gpu"]
    """What the batch scheduler hands out: whole nodes, or single GPUs."""
    fabric_inside_node: bool = True
    fabric_between_nodes: bool = False
    """False: tensor parallelism stays inside a node, pipeline parallelism spans nodes."""
    backend: Literal["vllm", "hf"]
    launcher: Literal["agent", "docker"] = "agent"
    """Who takes jobs from the queues: ClearML agents, or the DAG ``run_containers`` on a Docker host."""
    docker: DockerHost | None = None
    """Of the launcher ``docker``."""
    queues: dict[str, str] = Field(min_length=1)
    """ClearML queue by shape, e.g. ``2x2`` (nodes x GPUs a node) or ``*`` for any other."""
    gpu_memory_utilization: float = Field(gt=0, le=1)
    enforce_eager: bool = False
    max_num_seqs: PositiveInt
    preferred_concurrency: PositiveInt = 8
    """Sequences that should fit in the KV cache at once; fewer is accepted only if nothing larger fits."""
    max_walltime: str = Field(pattern=r"^\d{1,3}:[0-5]\d$")
    lost_after_s: int = Field(default=300, ge=60)
    """Seconds without a sign of life of a running job, after which its node counts as lost."""
    min_walltime: str = Field(pattern=r"^\d{1,3}:[0-5]\d$")
    gpu_power_kw: float = Field(default=0.0, ge=0)
    carbon_kg_per_kwh: float = Field(default=0.0, ge=0)
    cost_per_gpu_hour: float = Field(default=0.0, ge=0)
    memory: Memory
    speed: Speed

    @model_validator(mode="after")
    def _walltimes_are_ordered(self) -> Self:
        if minutes(self.min_walltime) > minutes(self.max_walltime):
            raise ValueError(
                f"min_walltime {self.min_walltime} is longer than max_walltime {self.max_walltime}"
            )
        return self

    @model_validator(mode="after")
    def _the_launcher_is_described(self) -> Self:
        if (self.launcher == "docker") != (self.docker is not None):
            raise ValueError("launcher: docker and a block docker belong together: give both or neither")
        if self.launcher == "docker" and self.nodes > 1:
            raise ValueError(f"launcher: docker is one host, nodes is {self.nodes}: describe each host apart")
        return self

    def queue(self, *, nodes: int, gpus_per_node: int) -> str | None:
        """Find the queue that serves a shape; None when the cluster has none."""
        return self.queues.get(f"{nodes}x{gpus_per_node}", self.queues.get("*"))


def minutes(walltime: str) -> int:
    """Read ``HH:MM``."""
    hours, rest = walltime.split(":")
    return int(hours) * 60 + int(rest)
