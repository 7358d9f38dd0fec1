"""Compute instances, as they are sent."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mooring.wire.base import Bytes, Id, Line, Name, Prompt, Resource, Seconds

Network = Literal["none", "allow-list", "full"]
Cores = Annotated[float, Meta(gt=0, le=4096, description="Cores")]
Processes = Annotated[int, Meta(ge=1, le=1 << 22, description="No kernel has more than 4,194,304")]
Variables = Annotated[
    dict[str, Annotated[str, Meta(max_length=200_000)]],
    Meta(description="At most 500 variables, together at most 64 KiB as JSON"),
]
Hosts = Annotated[list[str], Meta(description="At most 100 host names, each perhaps with :port or a leading `*.`")]


class NewComputeInstance(Struct, kw_only=True, forbid_unknown_fields=True):
    """An instance to be. Null limits are the engine's own; null filesystem_version_id is the current version."""

    name: Name
    group_id: Id
    description: Prompt = ""
    image_name: Name = "host"
    command: Prompt = ""
    environment: Variables = field(default_factory=dict[str, str])
    filesystem_id: Id | None = None
    filesystem_version_id: Id | None = None
    engine: Name = "local"
    cpus: Cores | None = None
    memory: Bytes | None = None
    pids: Processes | None = None
    disk: Bytes | None = None
    timeout: Seconds | None = None
    network: Network = "none"
    network_allow: Hosts = field(default_factory=list[str])


class NewInstanceSecretMapping(Struct, kw_only=True, forbid_unknown_fields=True):
    """An exposure to be: a secret as one variable, or as one file under /run/secrets, of an instance."""

    compute_instance_id: Id
    secret_id: Id
    expose_as_env: Line | None = None
    expose_as_file: Line | None = None


class InstanceSecretMapping(Resource, kw_only=True):
    """A secret exposed to an instance."""

    compute_instance_id: Id
    secret_id: Id
    expose_as_env: str | None
    expose_as_file: str | None


class ComputeInstance(Resource, kw_only=True):
    """A machine, declared."""

    name: str
    group_id: Id
    description: str
    image_name: str
    command: str
    environment: dict[str, str]
    filesystem_id: Id | None
    filesystem_version_id: Id | None
    engine: str
    cpus: float | None
    memory: int | None
    pids: int | None
    disk: int | None
    timeout: float | None
    network: Network
    network_allow: list[str]
    exposures: list[InstanceSecretMapping]
