"""Members of a shard that lie side by side under one key, and what keeps them from being a record."""

import re
from dataclasses import dataclass, field

from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources.files import PICTURES
from components.data.sources.tar import Member, Refused

MAX_WORDS_BYTES = 2**20
WORDS = ("txt", "json", "cls")
PICKLED = frozenset({"pyd", "pickle", "pkl", "pth", "pt", "ckpt", "joblib", "dill"})  # loading one runs what it says
PICTURE_SUFFIXES = frozenset(suffix[1:] for suffix in PICTURES)
_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]*)", re.DOTALL)


@dataclass(kw_only=True)
class Parts:
    """Members of one key that lie side by side.

    Args:
        key: the members' name up to the first dot.
        held: suffix -> bytes.
        fault: (member, reason, detail) of the first thing that keeps it from being a record.
    """

    key: str
    held: dict[str, bytes] = field(default_factory=dict)
    fault: tuple[str, str, str] | None = None

    def add(self, suffix: str, member: Member | Refused) -> None:
        """Take one more member."""
        fault: tuple[str, str] | None = None
        kind = suffix.rpartition(".")[2]
        if isinstance(member, Refused):
            fault = member.reason, member.detail
        elif kind in PICKLED:
            fault = "pickle_member", f"a .{kind} runs what its maker wrote when it is loaded; it was not opened"
        elif suffix in self.held:
            fault = "duplicate_key", f"two members of this key are called .{suffix}"
        elif suffix in PICTURE_SUFFIXES and not PICTURE_SUFFIXES.isdisjoint(self.held):
            fault = "duplicate_key", "two members of this key are pictures"
        elif member.data is not None:
            self.held[suffix] = member.data
        if fault is not None and self.fault is None:
            self.fault = (member.name, *fault)


def key_and_suffix(name: str) -> tuple[str, str]:
    """Return ("a/0001", "seg.png") of a/0001.seg.PNG; an empty key for what is hidden or has no suffix."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2].lower()) if found else ("", "")


def bytes_wanted(name: str) -> int:
    """Return how many bytes of a member are read at the most."""
    suffix = key_and_suffix(name)[1]
    return MAX_PICTURE_BYTES if suffix in PICTURE_SUFFIXES else MAX_WORDS_BYTES if suffix in WORDS else 0
