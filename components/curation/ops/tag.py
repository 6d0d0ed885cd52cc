"""A label from a list for each picture, by a model that was not trained on them.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (zero-shot classification by prompts). Differs: a picture that fits no label well
enough, or two nearly equally, has none.
Axes: N samples, C labels, D embedding width.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.ops.measure import with_columns


class Tag(CurationOp):
    """Adds two columns and leaves nothing out: `<column>`, the label, or null; `<column>_score`, the cosine of the best.

    Args:
        model: its name in `curation.models`.
        labels: two or more, no label twice.
        prompt: with {} where the label goes.
        at_least: cosine below which a picture has no label.
        margin: cosine by which the best has to be ahead of the second.
        column: what the columns are called.
    """

    def __init__(
        self,
        model: str,
        labels: Sequence[str],
        prompt: str = "{}",
        at_least: float = -1.0,
        margin: float = 0.0,
        column: str = "tag",
    ) -> None:
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise ConfigError(
                f"labels are {list(labels)}, but a picture is told by which of several it fits. Give two or more, none twice."
            )
        if prompt.count("{}") != 1:
            raise ConfigError(f"prompt is {prompt!r}, and the label goes where {{}} stands. Write {{}} once.")
        if not -1 <= at_least <= 1:
            raise ConfigError(f"at_least is {at_least}, but it is a cosine. Give a number from -1 to 1.")
        if not 0 <= margin <= 2:
            raise ConfigError(f"margin is {margin}, but it is a difference of cosines. Give a number from 0 to 2.")
        self.model, self.labels, self.prompt, self.column = model, tuple(labels), prompt, column
        self.at_least, self.margin = at_least, margin

    @property
    def adds(self) -> tuple[str, ...]:
        """Return both columns."""
        return (self.column, f"{self.column}_score")

    @property
    def features(self) -> tuple[str, ...]:
        """Return both sides of the model."""
        return (f"{self.model}.image", f"{self.model}.text")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Return the labels in their prompt."""
        return tuple(self.prompt.replace("{}", label) for label in self.labels)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return all rows with their label, and how many have which; DataError for embeddings that say nothing."""
        image = features.unit(f"{self.model}.image", table["key"].combine_chunks())
        cosines = image @ features.unit(f"{self.model}.text", pa.array(self.prompts, pa.string())).T
        two = np.partition(cosines, -2, axis=1)[:, -2:]
        sure = (two[:, 1] >= self.at_least) & (two[:, 1] - two[:, 0] >= self.margin)
        best = cosines.argmax(1)
        columns = {
            self.column: pa.array(np.array(self.labels, object)[best], pa.string(), mask=~sure),
            f"{self.column}_score": pa.array(two[:, 1], pa.float32()),
        }
        counts = np.bincount(best[sure], minlength=len(self.labels)).tolist()
        stats = {**dict(zip(self.labels, counts, strict=True)), "no label": int((~sure).sum())}
        return with_columns(table, columns), Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)
