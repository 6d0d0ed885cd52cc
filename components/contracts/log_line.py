"""A line in the log of a process that keeps others alive, which no full disk may end."""

from contextlib import suppress


def log_line(text: str) -> None:
    """Write a line to standard output; where there is no room for it, it comes with a later one, or is lost."""
    with suppress(OSError):
        print(text, flush=True)
