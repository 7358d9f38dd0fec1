"""What vaults fail with. None of them ever holds a value, nor what a vault said in its own words."""

from mooring.base.errors import Clash, Missing, Unavailable


class NoSuchValue(Missing):
    """The vault has nothing under this id, or not the version asked for."""


class OtherVersion(Clash):
    """The value was changed since it was looked at, or the name is taken."""


class VaultAway(Unavailable):
    """The vault does not answer, or says not now. The fact `retry_after` is in seconds, where the vault named it."""


class VaultUnsure(VaultAway):
    """The vault was asked and did not answer: what was asked of it may have been done, or be done yet."""


class VaultRefuses(Unavailable):
    """The vault does not accept Mooring's credentials or what it asks; an operator has to act."""


class VaultBroken(Unavailable):
    """The vault answers, but not with what was stored: the wrong key, an altered row, a foreign form."""
