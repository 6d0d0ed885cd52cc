"""`diptych watch`: whoever sets the alias `champion` gets it served, also where no webhook reaches us.

It asks the registry which version has the alias now, so that events that come late, twice or in another order do not
exist for it; of two aliases that are set between two looks the last is what it sees.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from components.contracts.address import without_password
from components.contracts.errors import Busy, ConfigError, DiptychError, is_transient
from components.contracts.log_line import log_line
from components.registry.store import Store, fingerprint, open_store, store_uri
from components.registry.turns import CHAMPION
from components.stages.lock import hold
from components.stages.place import private
from flows.faults import told
from flows.ours import champions, is_behind, own_models

if TYPE_CHECKING:
    from flows.serving.rollout import Rolled

MOST_S = 300.0  # between two tries
_UNTIL = f"It is not tried again until somebody gives another version the alias {CHAMPION} of {{model}}."
# Left to itself, MLflow's client asks a server that is away for minutes; we ask again anyway.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}

Roll = Callable[[Path, str], "Rolled"]
"""Brings the endpoint of a workspace to what the champion of a model asks for: `flows.serving.rollout.rollout`."""


@dataclass(slots=True, kw_only=True)
class _Asked:
    """How a model stands, or the registry.

    Args:
        settled: the version that nothing has to be done about, since it is served or was refused; None for none.
        tried: the version that the failures are of.
        failures: tries in a row that failed by a fault of the world.
        next_at: before which there is no other, by the watcher's clock.
    """

    settled: str | None = None
    tried: str | None = None
    failures: int = 0
    next_at: float = float("-inf")


class Watcher:
    """Looks at the registry of a workspace, and has what is asked for served.

    Args:
        root: of the workspace.
        roll: brings the endpoint to the champion of a model.
        say: gets a sentence for what was done or refused.
        every_s: seconds between two looks; also the first wait after a fault, each further one twice as long, 300 at most.
        clock: in seconds.
    """

    def __init__(
        self, root: Path, roll: Roll, say: Callable[[str], None], *, every_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._root = root
        self._roll = roll
        self._say = say
        self._every_s = every_s
        self._clock = clock
        self._store: Store | None = None
        self._looked: str | None = None
        self._due = float("-inf")
        self._asked: dict[str, _Asked] = {}
        self._registry = _Asked()

    def look(self) -> None:
        """Look once, and do what is asked for. Raises nothing that another look may mend."""
        mark = fingerprint(self._root)
        now = self._clock()
        if now < self._registry.next_at or (mark is not None and mark == self._looked and now < self._due):
            return
        try:
            asked_for = self._champions()
        except Exception as err:  # a registry that is away, or being made: it is asked again
            self._store = self._looked = None
            self._later(self._registry, f"What is asked for cannot be seen: {told(err, self._root)}")
            return
        self._registry = _Asked()
        self._looked, self._due = mark, min(self._settle(model, version) for model, version in asked_for.items())

    def _champions(self) -> dict[str, str | None]:
        """Return the version that has the alias, by model, of all models of this workspace."""
        models = own_models(self._root)
        uri = store_uri(self._root)
        if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
            return dict.fromkeys(models)  # whoever registers first makes it
        self._store = self._store or open_store(self._root)
        return champions(self._store, models)

    def _settle(self, model: str, version: str | None) -> float:
        """Have a version served, unless it is, or was refused; return from when on it is looked at again, whatever the store."""
        asked = self._asked.get(model)
        if asked is None:  # the first sight of it
            asked = self._asked[model] = _Asked(settled=None if is_behind(self._root, model, version) else version)
        if version is None or version == asked.settled:
            self._asked[model] = _Asked(settled=version)
            return float("inf")
        if version != asked.tried:
            asked = self._asked[model] = _Asked(settled=asked.settled, tried=version)
        if self._clock() < asked.next_at or self._run_is_on():
            return asked.next_at
        try:
            rolled = self._roll(self._root, model)
        except Exception as err:
            sentence = f"{model}@{version} is not served: {told(err, self._root)}"
            if isinstance(err, Busy) or is_transient(err) or not isinstance(err, DiptychError):
                self._later(asked, sentence)
                return asked.next_at
            self._say(f"{sentence} {_UNTIL.format(model=model)}")
        else:
            if rolled.outcome == "refused" and rolled.timeline is not None and not rolled.timeline.recorded:
                self._later(asked, f"{rolled.sentence.rstrip('.')}. The registry does not know yet")
                return asked.next_at
            if rolled.outcome == "refused":
                self._say(f"{rolled.sentence} {_UNTIL.format(model=model)}")
            elif rolled.outcome == "served":
                self._say(rolled.sentence)
        self._asked[model] = _Asked(settled=version)
        return float("-inf")  # the alias may have moved meanwhile

    def _later(self, asked: _Asked, sentence: str) -> None:
        wait_s = min(MOST_S, self._every_s * 2**asked.failures)
        asked.failures += 1
        asked.next_at = self._clock() + wait_s
        self._say(f"{sentence.rstrip('.')}. Next try in {wait_s:.0f} s.")

    def _run_is_on(self) -> bool:
        """Return whether somebody writes in the workspace, who may have set the alias and serves it himself."""
        try:
            with hold(private(self._root, "locks") / "workspace.lock", "the workspace"):
                return False
        except (Busy, OSError):  # nor can anything be served from a disk that is full
            return True


def watch(root: Path, roll: Roll, every_s: float = 5.0) -> NoReturn:
    """Watch the registry of a workspace until Ctrl-C; Busy while another does."""
    if not 0.1 <= every_s <= 3600:
        raise ConfigError(f"--every is {every_s:g} s; give 0.1 to 3600")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    with hold(private(root, "locks") / "watch.lock", f"the registry of {root}"):
        watcher = Watcher(root, roll, log_line, every_s=every_s)
        print(
            f"Watching {CHAMPION} of {', '.join(own_models(root))} in {without_password(store_uri(root))}. Ctrl-C stops it.",
            flush=True,
        )
        while True:
            watcher.look()
            time.sleep(every_s)


def main(root: Path) -> int:
    """Watch until TERM, for `diptych ui`, which says what it stops; where somebody watches already, that is enough."""
    from flows.shown_verdict import watched_out

    signal.signal(signal.SIGTERM, _leave)
    try:
        watch(root, watched_out)
    except (KeyboardInterrupt, Busy):
        return 0
    except DiptychError as err:
        print(f"No champion is watched for: {err}", flush=True)
        return 1


def _leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
