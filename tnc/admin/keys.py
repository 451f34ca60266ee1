"""The keyring as its owner sees it: is it whole, does a copy of it lie elsewhere, and a new key for it."""

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any, Final

from tnc.core.errors import InvalidError, RefusedError, TncError
from tnc.core.fields import rfc3339
from tnc.store.erasures import Escrow
from tnc.store.keys.key_file import KeyKind, kind_of, new_line, read_keys, replace_lines
from tnc.store.keys.keyring import Keyring
from tnc.store.workspace import Workspace

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class Keys:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def _rings(self) -> tuple[Keyring, Keyring]:
        return self._workspace.keyring, self._workspace.restricted_keyring

    def status(self) -> dict[str, Any]:
        """Where the key comes from, how many days have keys, and whether the copy elsewhere is behind."""
        workspace = self._workspace
        escrow = workspace.erasures.latest_escrow().wait()
        return {
            "key_file": str(workspace.settings.key),
            "kind": kind_of(workspace.settings.key),
            "changing": len(read_keys(workspace.settings.key)) > 1,
            "days": len(list(workspace.keyring.all_days(workspace.id))),
            "restricted_days": len(list(workspace.restricted_keyring.all_days(workspace.id))),
            "key_epoch": workspace.keyring.key_epoch(),
            "epochs": self._epochs(),
            "public_key": workspace.public_key.hex(),
            "escrow": None if escrow is None else self._told(escrow),
        }

    def _epochs(self) -> dict[str, int]:
        """Of every file of the keyring, by its name in the folder `ring`."""
        restricted = self._workspace.restricted_keyring.epochs()
        return self._workspace.keyring.epochs() | {f"restricted/{name}": epoch for name, epoch in restricted.items()}

    def _told(self, escrow: Escrow) -> dict[str, Any]:
        behind = self._workspace.erasures.count_opened_by(escrow).wait()
        return {
            "made_at": rfc3339(escrow.made_at_ms),
            "sha256": escrow.digest,
            "key_epoch": escrow.epochs.get("installation"),
            "erasures_since": behind,
            "opens_what_was_erased": behind > 0,
        }

    def verify(self) -> dict[str, Any]:
        """Open every file of the keyring, and look whether every day of clicks has its key."""
        workspace = self._workspace
        problems: list[str] = []
        files = 0
        for ring in self._rings:
            try:
                files += ring.examine()
            except TncError as error:
                problems.append(str(error))
        try:
            workspace.check_keys()
        except TncError as error:
            problems.append(str(error))
        return {"files": files, "problems": problems}

    def rotate(self, kind: KeyKind = "file", *, secret: str | None = None) -> dict[str, Any]:
        """Another key-encryption key; the old one opens nothing any more, but for copies of the former keyring."""
        path = self._workspace.settings.key
        self.complete_change()
        (former,) = _lines(path)
        line, kek, other_half = new_line(kind, secret=secret)
        try:
            replace_lines(path, line, former)
        except OSError as error:
            raise RefusedError(
                f"the key file {path} cannot be written ({error.strerror}); stop the service and do it as the owner of "
                "that file. Nothing was changed."
            ) from error
        for ring in self._rings:
            ring.use_key(kek)
        files = self._finish(line)
        result = {"files": files, "kind": kind, "key_file": str(path)}
        return result if other_half is None else result | {"other_half": other_half}

    def complete_change(self) -> None:
        """Go on with a change of keys that was cut off: both keys open until every file is closed by the new one."""
        lines = _lines(self._workspace.settings.key)
        if len(lines) > 1:
            self._finish(lines[0])

    def _finish(self, line: str) -> int:
        files = sum(ring.reseal() for ring in self._rings)
        replace_lines(self._workspace.settings.key, line)
        for ring in self._rings:
            ring.drop_former_key()
        return files

    def escrow(self, path: str) -> dict[str, Any]:
        """A copy of the keyring for another place. It is closed by the key file, of which a copy belongs elsewhere."""
        file = Path(path)
        now_ms = self._workspace.world.now_ms()
        if self._workspace.paths.data.resolve() in file.resolve().parents:
            raise RefusedError(f"{file} lies in the data directory, which it is to outlive; name another place.")
        epochs, copied = self._epochs(), self._copied()  # so that they are never newer than what was copied
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(copied)
                out.flush()
                os.fsync(descriptor)
        except FileExistsError as error:
            raise RefusedError(f"{file} is there already; destroy it, or name another file.") from error
        except OSError as error:
            raise InvalidError(f"{file} cannot be written: {error.strerror}.") from error
        digest = hashlib.sha256(copied).hexdigest()
        self._workspace.erasures.note_escrow(Escrow(made_at_ms=now_ms, digest=digest, epochs=epochs)).wait()
        return {
            "file": str(file),
            "sha256": digest,
            "made_at": rfc3339(now_ms),
            "key_epoch": epochs["installation"],
            "epochs": epochs,
        }

    def _copied(self) -> bytes:
        """The files of the keyring as a ZIP."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for each in sorted(self._workspace.paths.ring.rglob("*")):
                if each.is_file() and each.name != "intent":
                    member = zipfile.ZipInfo(str(each.relative_to(self._workspace.paths.data)), _EPOCH)
                    archive.writestr(member, each.read_bytes())
        return content.getvalue()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").strip().split("\n")
