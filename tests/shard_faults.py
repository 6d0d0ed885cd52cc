"""One shard of ten records for each thing that goes wrong with shards: what docs/shard-faults.md tells of."""

import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

from PIL import Image

Member = tuple[str, bytes | dict[str, object]]


class RunsCode:
    """What makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def png(number: int) -> bytes:
    """Return a picture that no other number has."""
    held = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).point(lambda value: (value + 7 * number) % 256).save(held, "PNG")
    return held.getvalue()


def write(path: Path, members: list[Member]) -> Path:
    """Write members; a dict in place of bytes is the header of one without any."""
    with tarfile.open(path, "w") as tar:
        for name, held in members:
            info = tarfile.TarInfo(name)
            data = held if isinstance(held, bytes) else b""
            info.size = len(data)
            for field, value in (held if isinstance(held, dict) else {}).items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))
    return path


def make(folder: Path, ran: Path) -> dict[str, Path]:
    """Write the shards and return what is wrong -> shard; `ran` is a folder that only unpickling would make."""
    sound: list[Member] = []
    for number in range(10):
        sound += [(f"{number:04d}.png", png(number)), (f"{number:04d}.txt", f"slope {number}".encode())]
    new: Member = ("9000.png", png(90))
    cases: dict[str, list[Member]] = {
        "nothing": sound,
        "a member runs code when it is unpickled": [
            *sound,
            new,
            ("9000.txt", b"a"),
            ("9000.pyd", pickle.dumps(RunsCode(ran))),
        ],
        "a name leads out of the folder": [*sound, ("../9000.png", png(90)), ("../9000.txt", b"a")],
        "a caption is a link to another file": [
            *sound,
            new,
            ("9000.txt", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ],
        "a caption is not UTF-8": [*sound[:-1], ("0009.txt", "grün".encode("latin1"))],
        "a .json is cut short": [*sound, new, ("9000.txt", b"a"), ("9000.json", b'{"caption": ')],
        "a picture has no caption": sound[:-1],
        "a caption has no picture": [*sound[:-2], sound[-1]],
        "a picture has no bytes": [*sound[:-2], ("0009.png", b""), sound[-1]],
        "a picture is cut short": [*sound[:-2], ("0009.png", png(9)[: len(png(9)) // 2]), sound[-1]],
        "a page was saved as a picture": [*sound[:-2], ("0009.png", b"<html>404</html>"), sound[-1]],
        "all pictures are pages": [
            (name, b"<html>404</html>" if name.endswith("png") else data) for name, data in sound
        ],
        "two members have one name": [*sound, new, ("9000.txt", b"a"), ("9000.txt", b"b")],
        "picture and caption lie apart": [sound[0], *sound[2:], sound[1]],
        "a record is there twice": [*sound, *sound[:2]],
    }
    made = {what: write(folder / f"{place:02d}.tar", members) for place, (what, members) in enumerate(cases.items())}
    whole = made["nothing"].read_bytes()
    with tarfile.open(made["nothing"]) as tar:
        fifth, sixth = tar.getmember("0005.png"), tar.getmember("0006.txt")
    damaged = bytearray(whole)
    damaged[fifth.offset + 3] ^= 1
    spoiled = {
        "the shard is cut within a caption": whole[: sixth.offset_data + 3],
        "the shard is cut between two members": whole[: sixth.offset],
        "a header is damaged": bytes(damaged),
        "two shards are one file": write(folder / "a", sound[:10]).read_bytes()
        + write(folder / "b", sound[10:]).read_bytes(),
        "a page was saved as a shard": b"<!DOCTYPE html><p>404</p>",
        "the shard has no bytes": b"",
    }
    packed = gzip.compress(whole, mtime=0)
    wrong = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    of_gzip = {
        "nothing, and the shard is packed (.tar.gz)": packed,
        "a packed shard is cut": packed[: len(packed) // 2],
        "the sum of a packed shard does not hold": wrong,
        "a member of a packed shard unpacks to a thousand times its size": bomb(sound),
    }
    for place, (what, data) in enumerate((spoiled | of_gzip).items(), len(cases)):
        made[what] = folder / f"{place:02d}.tar{'.gz' if what in of_gzip else ''}"
        made[what].write_bytes(data)
    return made


def bomb(members: list[Member]) -> bytes:
    """Return a packed shard that has a picture of 128 MiB of zeros behind its members."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz", compresslevel=1) as tar:
        for name, data in [*members, ("9000.png", bytes(2**27)), ("9000.txt", b"a")]:
            assert isinstance(data, bytes)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return held.getvalue()
