"""Compute instances and what they may use. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

ComputeInstanceId = NewType("ComputeInstanceId", str)
InstanceSecretMappingId = NewType("InstanceSecretMappingId", str)


class Network(StrEnum):
    NONE = "none"
    ALLOW_LIST = "allow-list"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeInstance:
    """A machine, declared. Units: cores, bytes, processes, bytes, seconds; null limits are the engine's own."""

    id: ComputeInstanceId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    description: str
    image_name: str
    command: str
    environment: dict[str, str]
    group_id: str
    filesystem_id: str | None
    filesystem_version_id: str | None
    engine: str
    cpus: float | None
    memory: int | None
    pids: int | None
    disk: int | None
    timeout: float | None
    network: Network
    network_allow: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSecretMapping:
    """One exposure: a secret as a variable, or as a file, of an instance."""

    id: InstanceSecretMappingId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    compute_instance_id: str
    secret_id: str
    expose_as_env: str | None
    expose_as_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """An exposure as a plan holds it: which secret, and as what. Never a value."""

    secret_id: str
    expose_as_env: str | None = None
    expose_as_file: str | None = None
