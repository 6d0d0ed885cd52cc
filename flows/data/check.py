"""`diptych data check`: what is wrong with pictures and captions, said before anything is made of them.

Needs no workspace: no git, DVC, Prefect, MLflow or params.yaml; given one of these, it asks what that asks. Findings are no
failure unless a share of broken ones or params.yaml makes them one; what cannot be read is.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from components.contracts.errors import ConfigError, DataError
from components.contracts.reasons import REASONS
from components.data.remote.addresses import REMOTE
from components.stages.events import Event

EXAMPLES = 3  # names shown of each reason
_LINE_EVERY_S = {True: 0.1, False: 5.0}  # on a terminal one line moves, elsewhere lines follow each other


def data_check(
    said: str | None,
    here: Path,
    out: Path,
    as_json: bool,
    allow_hosts: Sequence[str] = (),
    max_broken: float | None = None,
    params: Path | None = None,
    model: str | None = None,
    misfit: float | None = None,
) -> None:
    """Check what lies at a path or a URL, or a source of the catalogue by its name, and print what was found; files go to `out`.

    Relative paths start at `here`; `allow_hosts` are hosts of this network that may be asked. `params` is a params.yaml whose
    `admit` and `gates` are asked, and whose `source` is checked where nothing is `said`; `model` is a package that says how well words
    fit pictures, and `misfit` how far below the median that is odd. Raises GateClosed, when all is written
    and printed, where a larger share of the records than `max_broken` is broken, or `admit` closes. Raises DataError or
    ConfigError for what cannot be read, and for an `out` that holds something.
    """
    began = time.monotonic()
    if max_broken is not None and not 0 <= max_broken <= 1:
        raise ConfigError(f"--max-broken is {max_broken}, but it is a share of the records: from 0 (none) to 1 (all).")
    from components.data.processes import cores
    from components.data.seeing import MOST
    from components.validation.audit import FILES, audit
    from flows.data.asked import asked_in, check_gates, source_in

    held = asked_in(None if params is None else here / params, here, model, misfit)
    source = source_in(held, allow_hosts) if said is None else source_of(said, here, allow_hosts)
    out = here / out
    found = audit(source, out, Told(sys.stderr), processes=min(cores(), MOST), asked=held.asked)
    counts = {
        "rows_in": found.report["rows_in"],
        "clean": found.report["clean"] + found.report["pools"],
        "quarantined": found.report["quarantined"],
        "broken": found.report["broken"],
        "captioned": found.captioned,
        "reasons": {code: its["rows"] for code, its in found.report["reasons"].items()},
        "told": {code: its["rows"] for code, its in found.report["told"].items()},
        "left_out": {what: said for what, said in found.report["without"].items() if what not in _OF_TRAINING},
        "needs": found.report["needs"],
        "seconds": round(time.monotonic() - began, 3),
        "paths": {name: str(out / name) for name in FILES},
    }
    if as_json:
        print(json.dumps(counts, ensure_ascii=False))
    else:
        print("\n".join(lines_of(counts, [*found.quarantined, *found.told], out)), flush=True)
    check_gates(held, counts, max_broken, out / "quarantine.parquet")


def source_of(said: str, here: Path, allow_hosts: Sequence[str] = ()) -> Any:
    """Return the source for a path, for a URL, or for a name of the catalogue. DataError when it is none of these."""
    from components.data.sources.catalogue import build_source, read_catalogue, settings_of
    from components.data.sources.which import describe_path
    from components.data.sources.which_url import describe_url
    from components.recipes.names import nearest

    if REMOTE.match(said):
        return build_source(describe_url(said, allow_hosts))
    path, allowed = here / said, {"allow_hosts": list(allow_hosts)} if allow_hosts else {}
    if path.exists():
        return build_source(describe_path(path, watched=False) | allowed)
    names = sorted(name for name, entry in read_catalogue().items() if "path" not in settings_of(entry))
    if said in names:
        return build_source({"name": said})
    near = nearest(said, names, "The catalogue of sources")
    raise DataError(f"there is no folder, table or shard at {path}, and no source is called {said!r}. {near}")


def lines_of(counts: Mapping[str, Any], rows: Sequence[Mapping[str, str]], out: Path) -> Iterator[str]:
    """Yield a short table by reason, with names of the first rows, and the sentence that sums it up."""
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row["reason"], []).append(row["member"])
    broken = {code: count for code, count in counts["reasons"].items() if REASONS[code].broken}
    aside = {code: count for code, count in counts["reasons"].items() if not REASONS[code].broken}
    for head, some in (("broken", broken), ("set aside", aside), ("kept, and told of", counts["told"])):
        if some:
            yield f"{head}:"
            yield from (f"  {code:<18}{count:>9,}  {_some(names[code])}" for code, count in some.items())
    yield from (f"{what}: {how_many}" for what, how_many in counts["left_out"].items())
    for recipe, its in counts["needs"].items():
        lacking = ", ".join(f"{code} ({count:,})" for code, count in its["lacking"].items())
        yield f"{its['have']:,} of {its['of']:,} have what {recipe} needs" + (
            f"; lacking: {lacking}" if lacking else ""
        )
    clean = f"{counts['clean']:,} of {counts['rows_in']:,} pairs are clean"
    if not counts["captioned"]:
        clean = f"{counts['clean']:,} of {counts['rows_in']:,} pictures are clean, and none has a caption"
    yield f"{clean}; report at {out / 'report.html'}"


# What describe() says of splits and metrics is for who trains; what did not come in stands in the table already.
_OF_TRAINING = frozenset(
    {"designer", "concept", "both", "zero_shot", "records that did not come in", "pictures without a caption"}
)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return f"{', '.join(names[:EXAMPLES])}{more}"


class Told:
    """A `Progress` that says on a stream how far the work is, and how long it will take."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic, stage: str = "check") -> None:
        self._stream, self._moves, self._now, self._stage = stream, stream.isatty(), now, stage
        self._told_at = now()
        self._since = ("", 0, 0.0)

    def __call__(self, doing: str, done: int, total: int, **seen: float) -> None:
        """Say it, if it is time, and clear the line when all is done."""
        now = self._now()
        if doing != self._since[0]:
            self._since = (doing, done, now)
        if done < total and now - self._told_at < _LINE_EVERY_S[self._moves]:
            return
        self._told_at = now
        _, first, since = self._since
        left_s = (now - since) / (done - first) * (total - done) if done > first else None
        event = Event(
            stage=self._stage, recipe=None, doing=doing, done=done, total=total, left_s=left_s, seen=dict(seen)
        )
        if self._moves:
            self._stream.write(f"\r\x1b[2K{event}" if done < total else "\r\x1b[2K")
        elif done < total:
            self._stream.write(f"{event}\n")
        self._stream.flush()
