"""What is watched of a served model: section `monitor` of params.yaml."""

from dataclasses import dataclass
from typing import Literal

from components.contracts.errors import ConfigError

SURE = 20  # permutations for each 1 / alpha, so that several tests at once can still show something


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Watch:
    """The numbers of `diptych monitor`.

    Args:
        window_h: hours of requests that are looked at together.
        reference: what they are held against: `training`, the pictures and texts of the served index, or `before`, what was asked of the
            same model before the window.
        alpha: share of looks, 0 to 0.5, that may call drift, or a broken budget, where there is none.
        permutations: of the kernel test, 20 / alpha or more; a look of more than 20 tests draws as many as those ask for.
        least_rows: distinct vectors, scores of a language, or requests, below which nothing is said to be well.
        most_rows: of either side that are compared; more cost time, and show shifts that are of no use to know.
        most_failed: share of requests, 0 to 1, that may fail by our fault (status 500 and above).
        p95_ms: milliseconds within which 95% of the requests have to be answered; at a bound of the gateway's counts that can always be told.
        cool_down_h: hours in which an action is not asked for again.
        rollback_within_min: minutes after a deploy in which a broken budget is put down to it.
    """

    window_h: float = 24.0
    reference: Literal["training", "before"] = "training"
    alpha: float = 0.01
    permutations: int = 2_000
    least_rows: int = 100
    most_rows: int = 1_000
    most_failed: float = 0.01
    p95_ms: float = 500.0
    cool_down_h: float = 24.0
    rollback_within_min: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ConfigError(f"monitor.alpha is {self.alpha}. Give a share between 0 and 0.5; 0.01 is usual.")
        if self.permutations * self.alpha < SURE:
            raise ConfigError(
                f"monitor.permutations is {self.permutations}, of which none is rare enough for alpha {self.alpha} where several tests are "
                f"made. Give {SURE / self.alpha:.0f} or more."
            )
        if not 10 <= self.least_rows <= self.most_rows <= 10_000:
            raise ConfigError(
                f"monitor.least_rows is {self.least_rows} and most_rows {self.most_rows}. Give 10 or more, 10,000 or fewer, and least_rows "
                "no more than most_rows."
            )
        if not 0 < self.most_failed < 1:
            raise ConfigError(
                f"monitor.most_failed is {self.most_failed}, but it is a share. Give one between 0 and 1."
            )
        for name in ("window_h", "p95_ms", "cool_down_h", "rollback_within_min"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"monitor.{name} is {getattr(self, name)}. Give a number above 0.")
