"""Names of persons in texts, each replaced by one token.

Source: Gu et al. 2022, arXiv:2202.06767, section 3 (`<人名>`). Differs: who finds them can be chosen; the paper does not say. For the token to be one
of the vocabulary as well, name it in `training.whole`.
"""

import pyarrow as pa

from components.contracts.curation import Report, RowOp
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import examples
from components.curation.ops.measure import with_columns
from components.curation.person_names import NameDetector, TitledNames

PERSON = "<人名>"
Texts = list[dict[str, str]]


class MaskNames(RowOp):
    """Writes the token in place of each name, leaves all other characters as they are, and leaves nothing out.

    Args:
        token: stands for a name. ConfigError for an empty one, and one in which a name is found itself.
        detector: finds them; TitledNames unless another is given.
    """

    def __init__(self, token: str = PERSON, detector: NameDetector | None = None) -> None:
        self.token, self.detector = token, detector or TitledNames()
        if not token.strip() or self.detector.find(token):
            raise ConfigError(f"token is {token!r}, which must be some text that is no name itself, such as {PERSON}.")

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, which it writes anew."""
        return ("texts",)

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return of each row its texts, masked, and how many `names` stood in them."""
        masked, counts = [], []
        for texts in rows["texts"].to_pylist():
            told = [self._masked(one["text"] or "") for one in texts or ()]
            masked.append(
                [one | {"text": new} if count else one for one, (new, count) in zip(texts or (), told, strict=True)]
            )
            counts.append(sum(count for _, count in told))
        return pa.table(
            {"texts": pa.array(masked, rows.schema.field("texts").type), "names": pa.array(counts, pa.int32())}
        )

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows; the report counts names, and has examples of samples with one."""
        named = [row for row, count in enumerate(found["names"].to_pylist()) if count]
        return with_columns(table, {"texts": found["texts"]}), Report(
            op=self.name, rows_in=len(table), rows_out=len(table), examples={"names": examples(table, named)} if named else {},
            stats={"names": sum(found["names"].to_pylist()), "samples with names": len(named)},
        )  # fmt: skip

    def _masked(self, text: str) -> tuple[str, int]:
        places = self.detector.find(text)
        for start, end in reversed(places):
            text = f"{text[:start]}{self.token}{text[end:]}"
        return text, len(places)
