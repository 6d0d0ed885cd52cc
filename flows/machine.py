"""What a result was measured on, in words."""

import os
import platform
import re
from pathlib import Path


def processor() -> str:
    """Return the processor's name."""
    try:
        named = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:  # no Linux
        named = None
    return named.group(1).strip() if named else platform.processor()


def machine() -> str:
    """Return cores and processor, such as "2 cores, AMD EPYC"."""
    return f"{os.cpu_count()} cores, {processor()}"
