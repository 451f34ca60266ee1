"""A small sealed file that can be replaced so that the old content is gone from the disk.

Writing a new file and renaming it would leave the old key in freed blocks. So one file has two fixed slots: the new
content is written to the idle slot and synced, then the other slot is overwritten with random bytes and synced. A
crash at any point leaves one complete slot; the highest generation that opens is the content.

Layout: magic, slot size, then two slots of [sha256 of the rest | generation | length | sealed | random bytes].
"""

import hashlib
import os
import secrets
import struct
from pathlib import Path

from tnc.core import crypto
from tnc.core.errors import FailedError, RefusedError

_MAGIC = b"tnc-ring-1\n"
_SIZE = struct.Struct(">I")
_HEAD = struct.Struct(">QI")
_START = len(_MAGIC) + _SIZE.size
_SLOT_STEP = 4096
_OLD = ".old"
GONE = ".gone"


class SlotFile:
    """Content of any length, sealed with `kek` and bound to `context` (for example workspace and date).

    While the key-encryption key is being changed, `former` opens files that are not sealed with the new one yet.
    """

    def __init__(self, path: Path, *, kek: bytes, context: str, former: bytes | None = None) -> None:
        self.path = path
        self._kek = kek
        self._former = former
        self._context = context.encode()

    def exists(self) -> bool:
        return self.path.exists()

    def _place(self, generation: int) -> bytes:
        return b"tnc slot 1|%s|%d" % (self._context, generation)

    def _slot(self, generation: int, content: bytes, size: int) -> bytes:
        sealed = crypto.seal(self._kek, content, self._place(generation))
        body = _HEAD.pack(generation, len(sealed)) + sealed
        body += secrets.token_bytes(size - 32 - len(body))
        return hashlib.sha256(body).digest() + body

    def generation(self) -> int:
        """How often the file was written: stored unencrypted, and bound to the sealed content."""
        slots = _slots(self.path.read_bytes())
        return slots[0][0] if slots else 0

    def read(self) -> bytes:
        """The newest content. Raises RefusedError when the key is not the file's, FailedError when it is damaged."""
        slots = _slots(self._content()) or _slots(
            self._content()
        )  # read again: it may have been in the middle of a write
        if not slots:
            raise FailedError(
                f"the key file {self.path} is damaged: neither of its two slots is complete. Nothing was changed. "
                "Restore the newest copy of the folder `ring`, then start again."
            )
        generation, _, sealed = slots[0]
        try:
            return crypto.unseal(self._kek, sealed, self._place(generation))
        except crypto.CannotOpenError as error:
            if self._former is not None:
                return SlotFile(self.path, kek=self._former, context=self._context.decode()).read()
            raise RefusedError(
                f"the key does not open {self.path}: it is another installation's key, or the file was swapped. "
                "Nothing was changed. Write the right key file into config.toml (`key = ...`)."
            ) from error

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise FailedError(
                f"the key file {self.path} cannot be read ({error.strerror}). Put back the newest copy of the folder "
                "`ring`, then start again."
            ) from error

    def write(self, content: bytes) -> None:
        """Replace the content; when this returns, the new one is durable and the old one is overwritten."""
        self.finish_replacing()
        needed = 32 + _HEAD.size + crypto.OVERHEAD_BYTES + len(content)
        if not self.path.exists():
            self._create(content, needed, generation=1)
            return
        text = self.path.read_bytes()
        slots = _slots(text)
        generation = slots[0][0] + 1 if slots else 1
        size = _SIZE.unpack_from(text, len(_MAGIC))[0] if slots else 0
        if needed > size:
            self._create(content, needed, generation=generation)
            return
        newest = slots[0][1]
        with self.path.open("r+b", buffering=0) as file:
            _put(file.fileno(), 1 - newest, size, self._slot(generation, content, size))
            _put(file.fileno(), newest, size, secrets.token_bytes(size))

    @property
    def _leftover(self) -> Path:
        return self.path.with_name(self.path.name + _OLD)

    def _create(self, content: bytes, needed: int, *, generation: int) -> None:
        """Create the file, or replace one whose slots are too small, atomically; the smaller one is overwritten."""
        size = -(-needed * 2 // _SLOT_STEP) * _SLOT_STEP  # twice what is needed, so that this is rare
        new = self.path.with_name(self.path.name + ".new")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0):
            head = _MAGIC + _SIZE.pack(size)
            write_all(descriptor, head + self._slot(generation, content, size) + secrets.token_bytes(size))
            os.fsync(descriptor)
        if self.path.exists():
            os.link(self.path, self._leftover)
        new.replace(self.path)
        _sync_folder(self.path.parent)
        self.finish_replacing()

    def finish_replacing(self) -> None:
        """Overwrite the previous content if a crash left it; see the function of this name."""
        finish_replacing(self.path)

    def destroy(self) -> None:
        """Overwrite and unlink the file: nothing can open what only its keys opened.

        It is renamed first: after a crash the file is either there and complete, or gone.
        """
        self.finish_replacing()
        if self.path.exists():
            self.path.replace(self.path.with_name(self.path.name + GONE))
            _sync_folder(self.path.parent)
        finish_destroying(self.path.parent)


def finish_destroying(folder: Path) -> None:
    """Overwrite and unlink files whose destruction a crash interrupted."""
    gone = sorted(folder.glob(f"*{GONE}"))
    for path in gone:
        overwrite(path)
        path.unlink()
    if gone:
        _sync_folder(folder)


def finish_replacing(path: Path) -> None:
    """Overwrite the previous content if a crash left it: a smaller file, or the slot that was to be overwritten.

    Only for the process that writes: called by a reader, it could unlink a smaller file before the writer overwrote it.
    """
    old = path.with_name(path.name + _OLD)
    if old.exists():
        if not old.samefile(path):  # the same file: the crash came before the new one was renamed
            overwrite(old)
        old.unlink()
        _sync_folder(path.parent)
    slots = _slots(path.read_bytes()) if path.exists() else []
    if len(slots) > 1:
        size = (path.stat().st_size - _START) // 2
        with path.open("r+b", buffering=0) as file:
            _put(file.fileno(), slots[1][1], size, secrets.token_bytes(size))


def recover(folder: Path) -> None:
    """At a start: complete what a crash interrupted in a folder."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix == ".new":  # never renamed, so never in use
            overwrite(path)
            path.unlink()
        elif path.is_file() and path.suffix not in (_OLD, GONE):
            finish_replacing(path)
    finish_destroying(folder)


def _slots(text: bytes) -> list[tuple[int, int, bytes]]:
    """(generation, index, sealed content) of each complete slot, newest first."""
    if not text.startswith(_MAGIC) or len(text) < _START:
        return []
    (size,) = _SIZE.unpack_from(text, len(_MAGIC))
    complete = []
    for index in (0, 1):
        slot = text[_START + index * size : _START + (index + 1) * size]
        if len(slot) == size and hashlib.sha256(slot[32:]).digest() == slot[:32]:
            generation, length = _HEAD.unpack_from(slot, 32)
            complete.append((generation, index, slot[32 + _HEAD.size : 32 + _HEAD.size + length]))
    return sorted(complete, reverse=True)


def _put(descriptor: int, index: int, size: int, slot: bytes) -> None:
    write_all(descriptor, slot, at=_START + index * size)
    os.fsync(descriptor)


def write_all(descriptor: int, content: bytes, *, at: int = 0) -> None:
    """Write everything or raise OSError: a disk that is nearly full accepts the first part without an error."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], at + done)


def overwrite(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        write_all(file.fileno(), secrets.token_bytes(path.stat().st_size))
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
