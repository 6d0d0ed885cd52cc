"""What a result was measured on, in words."""

import os
from pathlib import Path

from components.stages.whence import processor


def machine() -> str:
    """Return cores and processor, such as "2 cores, AMD EPYC"."""
    return f"{os.cpu_count()} cores, {processor()}"


def has_gpu() -> bool:
    """Return whether a driver of NVIDIA's shows a GPU here."""
    return Path("/dev/nvidiactl").exists()
