"""Secrets and vaults: keep, renew, move, grant, expose, and who uses them. No value ever comes back."""

from mooring.client.asking import BASE, ask, decoded, told, writing
from mooring.client.collections import Collection
from mooring.client.flow import Ask, Bound, D, Flow, Operation
from mooring.wire.compute import InstanceSecretMapping, NewInstanceSecretMapping
from mooring.wire.identity import Group
from mooring.wire.secrets import (
    KeptSecret,
    MoveSecret,
    NewSecret,
    NewValue,
    RotateVault,
    Secret,
    SecretUsage,
    Vault,
    VaultList,
    VaultRotation,
    VaultState,
)


class Secrets(Collection[D, Secret]):
    """Secrets. Where one is named, its id is meant."""

    @Operation
    def keep(self, new: NewSecret, *, reason: str | None = None) -> Flow[KeptSecret]:
        """Keep a value, or register one that lies in a vault. Raises Unfit, Clash, Denied, Unavailable."""
        return told(KeptSecret, writing("POST", self.path, new, reason=reason))

    @Operation
    def renew(
        self, identifier: str, value: NewValue, *, version: int | None = None, reason: str | None = None
    ) -> Flow[KeptSecret]:
        """Give it a new value. Raises Missing, Unfit, Clash, Denied, Unavailable."""
        question = writing("POST", self.at(identifier, "versions"), value, reason=reason, version=version)
        return told(KeptSecret, question)

    @Operation
    def move(self, identifier: str, vault: Vault, *, reason: str | None = None) -> Flow[Secret]:
        """Move its value into another vault. Raises Missing, Unfit, Clash, Denied, Unavailable."""
        return told(Secret, writing("POST", self.at(identifier, "move"), MoveSecret(vault=vault), reason=reason))

    @Operation
    def check(self, identifier: str, *, reason: str | None = None) -> Flow[Secret]:
        """Have it looked for in its vault again. Raises Missing, Denied."""
        return told(Secret, writing("POST", self.at(identifier, "check"), reason=reason))

    @Operation
    def usage(self, identifier: str) -> Flow[SecretUsage]:
        """Who can use it, and which runs got which version of it. Raises Missing."""
        return told(SecretUsage, Ask(method="GET", path=self.at(identifier, "usage")))

    @Operation
    def grant(self, identifier: str, group_id: str, *, reason: str | None = None) -> Flow[Group]:
        """Let a group use it. Raises Missing, Denied."""
        return told(Group, writing("PUT", _granted(group_id, identifier), reason=reason))

    @Operation
    def revoke(self, identifier: str, group_id: str, *, reason: str | None = None) -> Flow[Group | None]:
        """Let a group use it no more: from the next start on; None where the group is not the asker's to see.

        Raises Missing, Denied.
        """
        answer = yield from ask(writing("DELETE", _granted(group_id, identifier), reason=reason))
        return decoded(answer, Group) if answer.content else None

    @Operation
    def expose(self, new: NewInstanceSecretMapping, *, reason: str | None = None) -> Flow[InstanceSecretMapping]:
        """Give it to an instance's runs. Raises Unfit, Clash, Denied."""
        return told(InstanceSecretMapping, writing("POST", f"{BASE}/instance_secret_mappings", new, reason=reason))

    @Operation
    def unexpose(self, exposure_id: str, *, reason: str | None = None) -> Flow[None]:
        """Give it to an instance's runs no more. Raises Missing, Denied."""
        yield from ask(writing("DELETE", f"{BASE}/instance_secret_mappings/{exposure_id}", reason=reason))


class Vaults(Bound[D]):
    """Where values lie."""

    @Operation
    def list(self) -> Flow[list[VaultState]]:
        """The vaults that are set up."""
        found = yield from told(VaultList, Ask(method="GET", path=f"{BASE}/vaults"))
        return found.items

    @Operation
    def rotate(self, *, new_key: bool = True, reason: str | None = None) -> Flow[VaultRotation]:
        """Change the embedded vault's key. Raises Denied, Clash."""
        question = writing("POST", f"{BASE}/vault_rotations", RotateVault(new_key=new_key), reason=reason)
        return told(VaultRotation, question)

    @Operation
    def rotation(self, identifier: str) -> Flow[VaultRotation]:
        """How far a change of the key has come. Raises Missing."""
        return told(VaultRotation, Ask(method="GET", path=f"{BASE}/vault_rotations/{identifier}"))


def _granted(group_id: str, secret_id: str) -> str:
    return f"{BASE}/groups/{group_id}/available_secrets/{secret_id}"
