"""What captions name, as columns: things, what they are like, and both together."""

import pyarrow as pa

from components.contracts.curation import CurationOp, Report
from components.contracts.features import Features
from components.curation.ops.measure import with_columns
from components.curation.phrases import Phrase, phrases

ENGLISH = ("en", "")  # captions in no language that was said are read as English


class Parse(CurationOp):
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

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return all rows with what they name; the report says of how many nothing was read."""
        read = [named(texts or ()) for texts in table["texts"].to_pylist()]
        objects = [list(dict.fromkeys(one.noun for one in row)) for row in read]
        listed = pa.list_(pa.string())
        columns = {
            "objects": pa.array(objects, listed),
            "attributes": pa.array(
                [list(dict.fromkeys(word for one in row for word in one.attributes)) for row in read], listed
            ),
            "phrases": pa.array([[str(one) for one in row] for row in read], listed),
            "objects_count": pa.array([len(row) for row in objects], pa.int32()),
        }
        stats = {
            "nothing read": sum(not row for row in read),
            "different objects": len({noun for row in objects for noun in row}),
        }
        return with_columns(table, columns), Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)


def named(texts: list[dict[str, str]] | tuple[()]) -> tuple[Phrase, ...]:
    """Return what the English ones of a sample's texts name, each once."""
    return tuple(
        dict.fromkeys(one for text in texts if (text["lang"] or "") in ENGLISH for one in phrases(text["text"] or ""))
    )
