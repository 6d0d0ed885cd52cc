"""Features, made when a step asks for them and kept for the next time: what decoding a picture gives, and what a model says.

A file of features is called by the digest of the model and of all that it was shown, so that it fits or is not found.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.embedder import Embedder
from components.contracts.errors import ConfigError, DataError
from components.contracts.features import Feature
from components.contracts.progress import Progress
from components.curation.embed import embed_pictures, embed_texts
from components.data.aside import RowFile
from components.validation.measure_shards import measure_shards

PRINTS = "prints"
_MEASURES = "components.validation.measure 1"  # what makes prints; the number goes up with what they mean
_SEEN = ("perceptual", "colour", "contrast", "animated", "says_where")


class Making:
    """Makes features of samples whose pictures lie in shards.

    Args:
        raw: where the shards are.
        models: name -> what opens the model, which happens once and only where it is asked.
        cache: folder that keeps what was made.
        processes: that decode; 0 for none but this one.
    """

    def __init__(
        self,
        raw: Path,
        models: Mapping[str, Callable[[], Embedder]],
        cache: Path,
        progress: Progress,
        processes: int = 0,
    ) -> None:
        self.raw, self.models, self.cache, self.progress, self.processes = raw, models, cache, progress, processes
        self._open: dict[str, Embedder] = {}

    def make(self, name: str, rows: pa.Table, texts: pa.Array) -> Feature:
        """Return features of rows or texts, as of Maker; ConfigError, with what there is, for a name that it does not know."""
        if name == PRINTS:
            shown = zip(rows["key"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
            return self._kept(name, _MEASURES, shown, lambda: self._prints(rows))
        model, _, side = name.rpartition(".")
        if model not in self.models or side not in ("image", "text"):
            named = ", ".join(self.models) or "none"
            raise ConfigError(
                f"a step of curation asks for the features {name!r}, and curation.models names {named}. Add the model there, as its "
                "name and a package's folder, or a version such as clip@3."
            )
        if model not in self._open:
            self._open[model] = self.models[model]()
        embedder = self._open[model]
        if side == "text":
            said = texts.to_pylist()
            return self._kept(name, embedder.name, ((text, "") for text in said), lambda: embed_texts(embedder, said))
        shown = zip(rows["key"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
        return self._kept(name, embedder.name, shown, lambda: embed_pictures(embedder, rows, self.raw, self.progress))

    def _prints(self, rows: pa.Table) -> pa.Table:
        measured = measure_shards(self.raw, rows, self.progress, processes=self.processes)
        return pa.table({"key": rows["key"], **{name: measured[name] for name in _SEEN}})

    def _kept(self, name: str, model: str, shown: Iterable[tuple[str, str]], make: Callable[[], pa.Table]) -> Feature:
        path = self.cache / f"{digest_of(model, shown)}.parquet"
        if path.exists():
            try:
                return Feature(name=name, model=model, table=pq.read_table(path, partitioning=None))
            except (pa.ArrowException, OSError) as err:
                raise DataError(f"{path} cannot be read as Parquet ({err}). Delete it; it is made again.") from err
        table = make().combine_chunks()
        with RowFile(path, table.schema) as file:
            file.write_table(table)
        return Feature(name=name, model=model, table=table)


def digest_of(model: str, shown: Iterable[tuple[str, str]]) -> str:
    """Return the name of features: a digest of who made them, and of what, in order."""
    digest = hashlib.sha256(model.encode())
    for key, what in shown:
        for part in (key.encode(), what.encode()):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()
