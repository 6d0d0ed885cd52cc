"""What a machine is, in words, and what is to be known of it."""

import ctypes
import os
from pathlib import Path

from components.stages.whence import processor

DRIVER = Path("/dev/nvidiactl")  # which NVIDIA's driver makes
PCI = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY = "0x10de", "0x03"  # a vendor, and how the classes of what draws, or only computes, begin
_TIME_ERROR = 5  # of C's sys/timex.h: what is answered where nobody sets the clock
_NTPTIMEVAL_BYTES = 256  # more than that answer has


def machine() -> str:
    """Return cores and processor, such as "2 cores, AMD EPYC"."""
    return f"{os.cpu_count()} cores, {processor()}"


def has_gpu() -> bool:
    """Return whether a driver of NVIDIA's shows a GPU here."""
    return DRIVER.exists()


def lacks_driver() -> bool:
    """Return whether a GPU of NVIDIA's is in this machine, and no driver shows it; a container may see one that it was not given."""
    return not has_gpu() and any(
        _read(device / "vendor") == NVIDIA and _read(device / "class").startswith(DISPLAY) for device in PCI.glob("*")
    )


def keeps_time() -> bool | None:
    """Return whether somebody keeps the machine's clock right, as NTP does, by what the kernel says; None where it does not say."""
    state = _ntp_state()
    return None if state is None or state < 0 else state != _TIME_ERROR


def _ntp_state() -> int | None:
    try:
        return int(ctypes.CDLL(None).ntp_gettime(ctypes.create_string_buffer(_NTPTIMEVAL_BYTES)))
    except (OSError, AttributeError):  # a C library without it
        return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # it was taken out meanwhile, or says nothing
        return ""
