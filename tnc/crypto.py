"""Sealing: AES-256-GCM with the nonce in front. The only door to the cryptography library."""

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD_BYTES = _NONCE_BYTES + 16


class CannotOpenError(Exception):
    """The key, the text or its place is not the one it was sealed with."""


def seal(key: bytes, text: bytes, place: bytes, *, chance: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """`text` under `key`, bound to `place` (the associated data): moved elsewhere it does not open."""
    nonce = chance(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
    except (InvalidTag, ValueError) as error:
        raise CannotOpenError from error
