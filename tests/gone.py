"""Whether a process that somebody else started has ended."""

import psutil


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, be it that nobody has asked for its exit status yet, or that it goes while it is looked at."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
