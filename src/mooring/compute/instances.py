"""The verbs of compute instances."""

from collections.abc import Mapping

from mooring.access.actor import SYSTEM, Actor, Permission
from mooring.audit.verbs import Verbs, require
from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.compute import exposures
from mooring.compute.entities import ComputeInstance
from mooring.compute.kinds import COMPUTE_INSTANCE
from mooring.compute.store import instances as store
from mooring.files import filesystems
from mooring.files.entities import FilesystemVersion

INSTANCES = Verbs(kind=COMPUTE_INSTANCE)


async def create(tx: Tx, actor: Actor, values: Mapping[str, object]) -> ComputeInstance:
    """A new instance of a group. Raises Denied, Clash, Unfit (also for a filesystem its group was not granted)."""
    made = await INSTANCES.create(tx, actor, values)
    await _check_files(tx, made)
    return made


async def replace(tx: Tx, actor: Actor, before: ComputeInstance, values: Mapping[str, object]) -> ComputeInstance:
    """The locked instance with these values; runs under way keep what they have. Raises Denied, Unfit, Clash.

    What stays as it was is not looked at: a grant that was revoked hinders a start, and no other change.
    """
    after = await INSTANCES.replace(tx, actor, before, values)
    moved = after.group_id != before.group_id
    if moved:
        # Whoever moves it takes it from one group and gives it to another: an operator of both.
        await require(tx, actor, Permission.CREATE, COMPUTE_INSTANCE, after)
    if moved or _files(after) != _files(before):
        await _check_files(tx, after)
    if moved:
        await exposures.check_grants(tx, after)
    if after.environment != before.environment:
        await exposures.check_environment(tx, after)
    return after


async def files_of(tx: Tx, instance: ComputeInstance) -> FilesystemVersion | None:
    """The version a run of the instance starts from now. Raises Unfit: it was not granted, or there is none yet."""
    if instance.filesystem_id is None:
        return None
    if not await store.has_filesystem(tx, instance.group_id, instance.filesystem_id):
        says = f"the instance {instance.name!r}: its group was not granted the filesystem {instance.filesystem_id}"
        raise Unfit(f"{says} (any more); its owner can grant it", field="filesystem_id", id=instance.filesystem_id)
    try:
        return await filesystems.version(tx, SYSTEM, instance.filesystem_id, instance.filesystem_version_id)
    except Missing as error:
        raise Unfit(f"the instance {instance.name!r}: {error.reason}", field="filesystem_id") from error


async def check_grant(tx: Tx, instance_id: str | None, filesystem_id: str) -> None:
    """Return when an instance's group still may use a filesystem. Raises Unfit."""
    group_id = None if instance_id is None else await store.group_of(tx, instance_id)
    if group_id is None or not await store.has_filesystem(tx, group_id, filesystem_id):
        says = f"the grant of the filesystem {filesystem_id} to the instance's group was revoked before the run started"
        raise Unfit(says, id=filesystem_id)


def _files(instance: ComputeInstance) -> tuple[str | None, str | None]:
    return instance.filesystem_id, instance.filesystem_version_id


async def _check_files(tx: Tx, instance: ComputeInstance) -> None:
    filesystem, version = instance.filesystem_id, instance.filesystem_version_id
    if filesystem is None:
        return
    if not await store.has_filesystem(tx, instance.group_id, filesystem):
        says = f"filesystem_id: the group was not granted {filesystem}; its owner can grant it"
        raise Unfit(says, field="filesystem_id", id=filesystem)
    if version is not None and not await store.is_version(tx, filesystem, version):
        says = f"filesystem_version_id: {version} is no version of {filesystem}"
        raise Unfit(says, field="filesystem_version_id", id=version)
