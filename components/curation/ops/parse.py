"""What captions name, as columns: things, what they are like, and both together."""

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import Report, RowOp
from components.contracts.features import Features
from components.curation.ops.measure import with_columns
from components.curation.phrases import Phrase, phrases

ENGLISH = ("en", "")  # captions in no language that was said are read as English


class Parse(RowOp):
    """Adds columns and leaves nothing out: lists `objects`, `attributes` and `phrases`, each once, and the number `objects_count`.

    Captions in English are read, those in other languages are not. How, and where it errs: components/curation/phrases.py.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the columns."""
        return ("objects", "attributes", "phrases", "objects_count")

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return the columns."""
        read = [named(texts or ()) for texts in rows["texts"].to_pylist()]
        objects = [list(dict.fromkeys(one.noun for one in row)) for row in read]
        attributes = [list(dict.fromkeys(word for one in row for word in one.attributes)) for row in read]
        listed = pa.list_(pa.string())
        return pa.table(
            {
                "objects": pa.array(objects, listed),
                "attributes": pa.array(attributes, listed),
                "phrases": pa.array([[str(one) for one in row] for row in read], listed),
                "objects_count": pa.array([len(row) for row in objects], pa.int32()),
            }
        )

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows with what they name; the report says of how many nothing was read."""
        stats = {
            "nothing read": pc.sum(pc.equal(pc.list_value_length(found["phrases"]), 0)).as_py(),
            "different objects": pc.count_distinct(pc.list_flatten(found["objects"])).as_py(),
        }
        columns = {name: found[name] for name in self.adds}
        return with_columns(table, columns), Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)


def named(texts: list[dict[str, str]] | tuple[()]) -> tuple[Phrase, ...]:
    """Return what the English ones of a sample's texts name, each once."""
    return tuple(
        dict.fromkeys(one for text in texts if (text["lang"] or "") in ENGLISH for one in phrases(text["text"] or ""))
    )
