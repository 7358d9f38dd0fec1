"""AES-256-GCM, bound to what it belongs to. Source: NIST SP 800-38D; `cryptography` does the work.

Sealed bytes are 12 of nonce, then ciphertext, then 16 of tag. Who opens must name what they were sealed for.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mooring.base.hidden import Hidden

KEY_BYTES = 32
OVERHEAD = 28
_NONCE_BYTES = 12


class NotAuthentic(Exception):
    """The bytes were not sealed with this key for this purpose, or were altered since."""


def new_key() -> Hidden:
    """256 fresh bits."""
    return Hidden(secrets.token_bytes(KEY_BYTES))


def seal(key: Hidden, plain: Hidden, *, bound_to: str) -> bytes:
    """`plain`, to be opened with the same key for the same `bound_to` alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, plain.reveal(), bound_to.encode())


def unseal(key: Hidden, sealed: bytes, *, bound_to: str) -> Hidden:
    """What was sealed. Raises NotAuthentic."""
    try:
        opened = AESGCM(key.reveal()).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise NotAuthentic("the sealed bytes do not open") from error
    return Hidden(opened)
