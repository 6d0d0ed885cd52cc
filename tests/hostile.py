"""Pictures that harm whoever decodes them, by a decoder of ours that does what one with a fault does, in processes that load it."""

from pathlib import Path

HOSTILE = {kind: f"HOSTILE {kind}".encode() for kind in ("crash", "exit", "loop", "sleep", "hog")}
"""What they do, and their bytes: crash, leave with code 3, loop, sleep, and take memory without end."""

_DECODER = """
import ctypes, os, signal
from PIL import Image, ImageFile

def hog():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while address := libc.malloc(2**26):  # no page of it is ever touched
        pass
    ctypes.string_at(0)  # as what does not ask whether it got any

def loop():
    while True:
        pass

HARMS = {
    b"crash": lambda: ctypes.string_at(0), b"exit": lambda: os._exit(3), b"loop": loop, b"sleep": signal.pause, b"hog": hog,
}

class Hostile(ImageFile.ImageFile):
    format = "HOSTILE"

    def _open(self):
        HARMS[self.fp.read().split()[1]]()

Image.register_open("HOSTILE", Hostile, lambda start: start.startswith(b"HOSTILE "))
"""


def write_decoder(folder: Path) -> None:
    """Write the decoder into a folder: Python loads it where that is on the path, as it starts."""
    (folder / "sitecustomize.py").write_text(_DECODER)
