"""What a result was measured on, in words."""

import os

from components.stages.whence import processor


def machine() -> str:
    """Return cores and processor, such as "2 cores, AMD EPYC"."""
    return f"{os.cpu_count()} cores, {processor()}"
