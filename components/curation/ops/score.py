"""How well the words fit the picture, by a model: the cosine of their embeddings.

Source: Schuhmann et al. 2021, arXiv:2111.02114, section 2 (a data set filtered by the cosine of CLIP); Hessel et al. 2021,
arXiv:2104.08718, for the measure. Differs: the cosine itself, neither scaled by 2.5 nor cut at 0; of several texts the best counts.
Axes: N samples, T texts, D embedding width.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.features import Features
from components.curation.ops.measure import with_columns


class Score(CurationOp):
    """Adds a column of cosines, null for a sample without a text, and leaves nothing out.

    Args:
        model: its name in `curation.models`.
        column: what the column is called.
    """

    def __init__(self, model: str, column: str = "score") -> None:
        self.model, self.column = model, column

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the column."""
        return (self.column,)

    @property
    def features(self) -> tuple[str, ...]:
        """Return both sides of the model."""
        return (f"{self.model}.image", f"{self.model}.text")

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return all rows with their cosine; DataError for embeddings that say nothing."""
        listed = table["texts"].combine_chunks()
        owner = np.asarray(pc.list_parent_indices(listed), np.int64)
        said = pc.struct_field(pc.list_flatten(listed), "text")
        best = np.full(len(table), -np.inf, np.float32)
        if len(owner):
            image = features.unit(f"{self.model}.image", table["key"].combine_chunks())
            text = features.unit(f"{self.model}.text", said)
            np.maximum.at(best, owner, np.einsum("td,td->t", image[owner], text))
        scores = pa.array(best, mask=np.isneginf(best))
        known = best[~np.isneginf(best)]
        stats = (
            {}
            if not len(known)
            else {"mean": float(known.mean()), "least": float(known.min()), "most": float(known.max())}
        )
        return with_columns(table, {self.column: scores}), Report(
            op=self.name, rows_in=len(table), rows_out=len(table), stats=stats
        )
