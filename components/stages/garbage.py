"""When Python looks for cycles of garbage in the process of a stage: not while it imports, nor when it ends.

What imports make stays, and is looked through again each time that there is more of it: up to two fifths of the processor's time
that it takes until a stage begins.
"""

import gc
import sys

STAGES = frozenset(
    f"components.stages.{name}"
    for name in ("ingest", "validate", "curate", "pretrain", "finetune", "evaluate", "package")
)


def collect_later() -> None:
    """Put it off until `collect_from_now`, where Python was started to run one of STAGES; other processes stay as they are."""
    if sys.argv[:1] == ["-m"] and STAGES.intersection(sys.orig_argv):  # argv says so until Python has found the module
        gc.disable()


def collect_from_now() -> None:
    """Leave what was imported alone for good, and look for garbage in what comes."""
    gc.freeze()
    gc.enable()


def collect_no_more() -> None:
    """Leave all alone: the process ends, and its memory with it."""
    gc.freeze()
