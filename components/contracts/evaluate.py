"""What an evaluation says: numbers that can stand alone, and one row a query to compare them later."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Literal

from components.contracts.errors import DataError

CLOSE = 1e-9  # apart: what is the same but for the order in which it was added up


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Which rows a number is counted over: a share of them, or their mean.

    Args:
        rows: the table, kept as rows/<rows>.parquet, with a row a query: `query` names it, `group` what it is about.
        where: column -> the value by which rows are taken; all of them where it is empty.
        column: what counts of a row.
        at_most: the last rank that is right; None where the column is right or wrong, or a number, itself.
    """

    rows: str
    column: str
    where: Mapping[str, str | int] = field(default_factory=dict)
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number with what is needed to read it.

    Args:
        name: dotted, such as `retrieval.pair.image_to_text.recall_at_1`; MLflow refuses `@`.
        value: a fraction in [0, 1] where it is a rate.
        unit: `fraction` in [0, 1]; `distance` of unit vectors, `squared_distance`; `nats`; `rank` from 1; counted: `dimensions`, `parameters`, `bytes`, `flops`; `milliseconds`.
        better: which way is good.
        n: queries it is taken over.
        chance: what guessing gets.
        baseline: what the no-training baseline gets on the same queries.
        method: how the model was asked, in words, where there is more than one way.
        low: end of an interval that holds, in 95 of 100 such cases, what the model gets over all queries of the kind; None where none was made.
        high: its other end.
        tallies: the rows it is counted over, so that two models can be compared query by query; of several, the mean of what each gives.
        data: sha256 of what it was measured on; the stage fills it in.
        weights: sha256 of the model's; the stage fills it in.
    """

    name: str
    value: float
    unit: Literal[
        "fraction",
        "distance",
        "squared_distance",
        "nats",
        "rank",
        "dimensions",
        "parameters",
        "bytes",
        "flops",
        "milliseconds",
    ]
    better: Literal["up", "down"]
    n: int
    chance: float
    baseline: float
    method: str | None = None
    low: float | None = None
    high: float | None = None
    tallies: tuple[Tally, ...] = ()
    data: str | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        for needed in ("value", "chance", "baseline"):
            number = getattr(self, needed)
            if not isinstance(number, float) or number != number:
                raise DataError(
                    f"metric {self.name} has {needed}={number!r}. A number without chance and baseline cannot be judged. "
                    "Give a float for each; compute the baseline on the same pool."
                )
        ends = [end for end in (self.low, self.high) if end is not None]
        if len(ends) == 1 or ends != sorted(ends) or not all(map(isfinite, ends)):
            raise DataError(
                f"metric {self.name} lies between {self.low!r} and {self.high!r}, which is no interval. Give both ends, two numbers with the "
                "lower one first, or neither."
            )
        if self.n < 1:
            raise DataError(f"metric {self.name} is taken over {self.n} queries. Leave it out, or give it a pool.")

    def as_json(self) -> dict[str, object]:
        """Return what metrics.json keeps under the metric's name: all that is known."""
        return {
            key: value for key, value in asdict(self).items() if key != "name" and value is not None and value != ()
        }
