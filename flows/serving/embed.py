"""`diptych embed`: all pictures of a folder, a table or shards, and what is said of them, to one Parquet file of vectors."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.processes import cores
from flows.data.check import Told, source_of


def embed(said: str, out: Path, here: Path, root: Path | None, model: str | None, as_json: bool) -> None:
    """Embed what `said` names, and print what came of it.

    Args:
        said: a folder, a table, shards or a source of the catalogue, as `diptych data check` takes them.
        out: the file to write, from `here`.
        here: where paths are said from.
        root: of the workspace, None where there is none.
        model: the folder of a package or a version such as clip@3; what the workspace serves unless given.
        as_json: whether the counts are printed as JSON.
    """
    from components.serving.bulk import embed_all
    from components.serving.scorer import open_package

    if not out.name.endswith(".parquet"):
        raise ConfigError(f"{out} is to be a Parquet file, so its name has to end in .parquet")
    package, name = open_package(model or _served(root), here, root)
    source, rejected = source_of(said, here), Counter[str]()
    samples = given(source, rejected)
    found = embed_all(samples, package, name, here / out, cores(), progress=Told(sys.stderr, stage="embed"))
    counts = {
        "rows": found.rows, "broken": found.broken, "before": found.before, "rejected": dict(rejected), "model": name,
        "space": package.space, "out": str(here / out),
    }  # fmt: skip
    if as_json:
        print(json.dumps(counts))
        return
    before = f", {found.before:,} of them by a run of before" if found.before else ""
    broken = f"; {found.broken:,} pictures could not be decoded, as their rows say" if found.broken else ""
    print(f"{here / out} has {found.rows:,} rows by {name}{before}{broken}.")
    if rejected:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in rejected.most_common())
        print(f"{rejected.total():,} records were no samples ({reasons}); diptych data check {said} says which.")


def given(source: Any, rejected: "Counter[str]") -> Iterator[Any]:
    """Yield the samples, and count what is none by its reason."""
    from components.contracts.sample import Sample
    from components.serving.bulk import Given

    if not hasattr(source, "unsplit"):
        raise ConfigError(
            "this source draws its pictures for a training, and has none before. Give the shards that a run made of it: data/raw"
        )
    for sample in source.unsplit(silent):
        if isinstance(sample, Sample):
            text = sample.texts[0].text if sample.texts else None
            yield Given(key=sample.key, name=sample.name or sample.key, picture=sample.media[0].data, text=text)
        else:
            rejected[sample.reason] += 1


def _served(root: Path | None) -> str:
    """Return the champion of the workspace's registry, by what it serves."""
    from components.serving.endpoint import read_endpoint

    endpoint = None if root is None else read_endpoint(root)
    if endpoint is None:
        raise ConfigError(
            "no model is served here, so it is not known which to embed with. Give one: diptych embed IN OUT.parquet --model clip@3"
        )
    return endpoint.label
