"""`tnc init`: creates a data directory with keys, settings and the first owner."""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from tnc.core.clock import World
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.passwords import Passwords, check_new_password
from tnc.core.settings import Settings, render
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    email: str
    password: str
    generated: bool  # by tnc: it is shown once


def owner(email: str | None, password: str | None) -> Owner:
    """The first owner; without a password, one is generated. Raises InvalidError for a weak password."""
    address = email or "owner@localhost.localdomain"
    if password is None:
        return Owner(email=address, password=secrets.token_urlsafe(18), generated=True)
    check_new_password(password, email=address)
    return Owner(email=address, password=password, generated=False)


def initialise(settings: Settings, first: Owner, world: World) -> Path:
    """Create the data directory; returns its config.toml. Never overwrites; an error leaves no files behind.

    An existing key file is used, so that a second data directory can share a key.
    """
    try:
        return _create(settings, first, world)
    except OSError as error:
        place = error.filename or settings.data
        raise InvalidError(
            f"{place} cannot be created: {error.strerror}; choose another place with --data or --key FILE."
        ) from error


def _create(settings: Settings, first: Owner, world: World) -> Path:
    data = settings.data
    if data.exists() and any(data.iterdir()):
        raise RefusedError(f"{data} is not empty, and tnc init never overwrites; choose another directory for --data.")
    if data in settings.key.resolve().parents:
        raise InvalidError(
            f"the key file {settings.key} would be inside the data directory; choose a place outside with --key FILE."
        )
    was_there = data.exists()
    made_key = not settings.key.exists()
    if made_key:
        write_new(settings.key, new_key_text())
    try:
        return _fill(settings, first, world)
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        if was_there:
            data.mkdir(mode=0o700, exist_ok=True)
        if made_key:
            settings.key.unlink()
        raise


def _fill(settings: Settings, first: Owner, world: World) -> Path:
    data = settings.data
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.chmod(0o700)
    with Workspace.create(settings, world) as workspace:
        verifier = Passwords(workspace.keys.pepper).hash(first.password)
        workspace.accounts.add_user(email=first.email, verifier=verifier, now_ms=world.now_ms()).wait()
    config = data / "config.toml"
    write_new(config, render(settings, data))
    return config


def write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
