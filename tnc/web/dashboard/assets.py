"""Style, scripts and pictures: read once, served from memory at an address that changes with their content."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from aiohttp import web

_ROOT: Final = Path(__file__).parent / "static"
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    content_type: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Every static file by its path. `version` is a hash of all of them."""

    version: str
    files: Mapping[str, Asset]

    @classmethod
    def load(cls, root: Path = _ROOT) -> Self:
        digest = hashlib.sha256()
        files: dict[str, Asset] = {}
        for file in sorted(each for each in root.rglob("*") if each.is_file()):
            name, content = file.relative_to(root).as_posix(), file.read_bytes()
            digest.update(f"{name} {len(content)} ".encode() + content)
            files[name] = Asset(content_type=_KINDS[file.suffix], plain=content, packed=gzip.compress(content, mtime=0))
        return cls(version=digest.hexdigest()[:12], files=files)

    def url(self, name: str) -> str:
        """The address of a file. Raises LookupError where a template names one that does not exist."""
        if name not in self.files:
            raise LookupError(f"no static file {name!r}")
        return f"/static/{self.version}/{name}"

    def response(self, request: web.Request) -> web.Response:
        """The file at an address of any version. Raises HTTPNotFound."""
        asset = self.files.get(request.match_info["path"])
        if asset is None:
            raise web.HTTPNotFound
        current = request.match_info["version"] == self.version
        headers = {"Cache-Control": _FOREVER if current else "no-store", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.plain, content_type=asset.content_type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=asset.packed, content_type=asset.content_type, headers=headers)
