"""Encryption (AES-256-GCM with the nonce in front) and signatures (Ed25519), by the cryptography library."""

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
OVERHEAD_BYTES = _NONCE_BYTES + 16


class CannotOpenError(Exception):
    """The key, the text or the place differs from that of `seal`."""


def seal(key: bytes, text: bytes, place: bytes, *, chance: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """`text` encrypted with `key` and bound to `place` (the associated data): in another place it does not open."""
    nonce = chance(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
    except (InvalidTag, ValueError) as error:
        raise CannotOpenError from error


def public_key(seed: bytes) -> bytes:
    """The public Ed25519 key for signatures made with `seed`."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, text: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(text)


def is_signed(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True
