"""Where WIT's pictures lie: files, or members of tars, each called as the SHA-256 of its URL, with any picture's suffix."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from components.contracts.reject import Reject
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources.files import PICTURES, bytes_of, files_below
from components.data.sources.packed import PACKED
from components.data.sources.tar import Refused, read_tar

_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(url: str) -> str:
    """Return what a URL's picture is called: 64 hex digits, of the URL as the table has it."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class WitPictures:
    """Pictures by the digest of their URL.

    Args:
        files: digest -> file.
        members: digest -> tar, where its bytes begin there, and how many they are.
        rejects: tars, and members of theirs, that cannot be read; a packed one is such a tar, since its members cannot be sought.
    """

    files: Mapping[str, Path]
    members: Mapping[str, tuple[Path, int, int]]
    rejects: tuple[Reject, ...] = ()

    @classmethod
    def below(cls, folder: Path) -> "WitPictures":
        """Find them in a folder and in those below it. OSError when a tar cannot be read."""
        files, members, rejects = dict[str, Path](), dict[str, tuple[Path, int, int]](), list[Reject]()
        for name, path in files_below(folder)[0]:
            if digest := _called(name):
                files.setdefault(digest, path)
            if path.suffix.lower() != ".tar":
                continue
            if _is_packed(path):
                detail = "it is packed, and pictures are read at their places in a plain tar; unpack it with `gunzip` or `unzstd`"
                rejects.append(Reject(key=name, member=name, reason="all_bad_shard", detail=detail))
                continue
            for one in read_tar(path, lambda _: 0):
                if isinstance(one, Refused):
                    member = f"{name}/{one.name}" if one.name else name
                    rejects.append(Reject(key=member, member=member, reason=one.reason, detail=one.detail))
                elif digest := _called(one.name):
                    members.setdefault(digest, (path, one.offset, one.size_bytes))
        return cls(files=files, members=members, rejects=tuple(rejects))

    @property
    def names(self) -> tuple[str, ...]:
        """The digests of all that are there."""
        return tuple(dict.fromkeys((*self.files, *self.members)))

    def bytes_of(self, digest: str) -> bytes | str:
        """Return a picture's bytes, or why there are none."""
        if digest in self.files:
            return bytes_of(self.files[digest]) or "the file is empty"
        if digest not in self.members:
            return f"no file {digest} with a picture's suffix lies beside the tables, nor is one in a .tar there"
        path, offset, size = self.members[digest]
        if size > MAX_PICTURE_BYTES:
            return f"{size / 2**20:,.0f} MiB; at most {MAX_PICTURE_BYTES // 2**20} are read"
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size) or "the file is empty"


def _called(name: str) -> str:
    """Return the digest that a file is called by; empty where it is called otherwise."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in PICTURES and _DIGEST.fullmatch(path.stem) else ""


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(PACKED)
