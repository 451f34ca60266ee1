"""The key file, which holds the key-encryption key: how it is read and changed.

It has one line, in one of three forms:

    64 hexadecimal digits          the key itself (a systemd credential can be such a file)
    passphrase SALT                scrypt derives the key from a passphrase
    split HALF                     the key is the XOR of this half and another one; one half alone says nothing

The passphrase or the other half comes from the environment variable `TNC_KEY_SECRET`, or from the file that
`TNC_KEY_SECRET_FILE` names. While the key is being changed, the file has two lines, the new key and the old one.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from tnc.core import crypto
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.settings import ENVIRONMENT
from tnc.store.keys.sealed_file import overwrite, write_all

KeyKind = Literal["file", "passphrase", "split"]

_SCRYPT: Final = {"n": 1 << 17, "r": 8, "p": 1, "maxmem": 1 << 28}  # 0.4 s and 128 MB for each attempt
_WRONG: Final = "the key file {path} is not complete: it must contain 64 hexadecimal digits."


def new_key_text() -> str:
    return secrets.token_hex(crypto.KEY_BYTES) + "\n"


def read_key(path: Path) -> bytes:
    """The key that seals. Raises RefusedError, InvalidError."""
    return read_keys(path)[0]


def read_keys(path: Path, *, environment: Mapping[str, str] = ENVIRONMENT) -> tuple[bytes, ...]:
    """The key that seals; while it is being changed, the former one as second."""
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except FileNotFoundError:
        raise RefusedError(
            f"the key file {path} is missing; without it the data cannot be read, and tnc makes no new one for "
            "existing data. Restore the file from your own copy."
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidError(f"the key file {path} cannot be read: it must contain 64 hexadecimal digits.") from error
    return tuple(_key(line.strip(), path, environment) for line in lines if line.strip()) or _refuse(path)


def _refuse(path: Path) -> tuple[bytes, ...]:
    raise InvalidError(_WRONG.format(path=path))


def kind_of(path: Path) -> KeyKind:
    word = path.read_text(encoding="ascii").split(" ")[0]
    return "passphrase" if word == "passphrase" else "split" if word == "split" else "file"


def _key(line: str, path: Path, environment: Mapping[str, str]) -> bytes:
    kind, _, rest = line.partition(" ")
    match kind:
        case "passphrase":
            return hashlib.scrypt(_secret(path, environment).encode(), salt=_hex(rest, path), dklen=32, **_SCRYPT)
        case "split":
            other = _hex(_secret(path, environment), path)
            return bytes(a ^ b for a, b in zip(_hex(rest, path), other, strict=True))
        case _:
            return _hex(line, path)


def _hex(text: str, path: Path) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise InvalidError(f"the key file {path} cannot be read: it must contain 64 hexadecimal digits.") from error
    if len(key) != crypto.KEY_BYTES:
        raise InvalidError(_WRONG.format(path=path))
    return key


def _secret(path: Path, environment: Mapping[str, str]) -> str:
    """The passphrase or the other half. Raises RefusedError."""
    found = environment.get("TNC_KEY_SECRET", "")
    file = environment.get("TNC_KEY_SECRET_FILE")
    if not found and file:
        try:
            found = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RefusedError(
                f"{file} cannot be read ({error.strerror}): it must contain the secret for {path}."
            ) from error
    if not found:
        raise RefusedError(
            f"the key file {path} needs a secret that is not in it: set TNC_KEY_SECRET in the environment, or name a "
            "file with the secret in TNC_KEY_SECRET_FILE."
        )
    return found


# -- changing the key


def new_line(kind: KeyKind, *, secret: str | None) -> tuple[str, bytes, str | None]:
    """A line for a key file, its key, and for a split key the half to store elsewhere. Raises InvalidError."""
    match kind:
        case "file":
            key = secrets.token_bytes(crypto.KEY_BYTES)
            return key.hex(), key, None
        case "passphrase":
            if secret is None or len(secret) < 12:
                raise InvalidError("the passphrase is too short; use at least 12 characters.")
            salt = secrets.token_bytes(crypto.KEY_BYTES)
            key = hashlib.scrypt(secret.encode(), salt=salt, dklen=32, **_SCRYPT)
            return f"passphrase {salt.hex()}", key, None
        case "split":
            here, there = secrets.token_bytes(crypto.KEY_BYTES), secrets.token_bytes(crypto.KEY_BYTES)
            return f"split {here.hex()}", bytes(a ^ b for a, b in zip(here, there, strict=True)), there.hex()


def replace_lines(path: Path, *lines: str) -> None:
    """Replace a key file atomically; the former one is overwritten."""
    new, old = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.old")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0):
        write_all(descriptor, "".join(f"{line}\n" for line in lines).encode())
        os.fsync(descriptor)
    old.unlink(missing_ok=True)
    os.link(path, old)
    new.replace(path)
    overwrite(old)
    old.unlink()
