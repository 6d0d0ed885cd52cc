"""What a comparison runs and claims, as a file in git says it before anything is run: rows, columns, claims, and a calibration."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from components.contracts.errors import ConfigError
from components.recipes.params import UNTRAINED
from components.recipes.proof import Claim, check_claim
from components.recipes.section import section
from components.recipes.yaml_lines import overlay, read_yaml

USUAL = {"name": "emoji", "languages": ["en"]}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One kind of data, or of beginning, under which rows are held against each other.

    Args:
        about: one line for readers.
        source: laid over the comparison's; one with a `name` stands in its place.
        start: what rows begin from, as in params.yaml, or `micro_clip`, the small CLIP that is made once for all.
        model: whose architecture is trained, as in params.yaml.
        overrides: laid over the comparison's.
        rows: some of the comparison's, the first of which the others are held against; all unless given.
        steps_of: a column before whose steps are taken, since a step costs the same there; measured anew unless given.
    """

    about: str
    source: dict[str, Any] = field(default_factory=dict)
    start: str = UNTRAINED
    model: Literal["recipe", "start"] = "recipe"
    overrides: dict[str, Any] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    steps_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A claim about rows of one column.

    Args:
        column: its name.
        claim: arms are names of rows.
        queries: how many each seed asks at least, which says how fine the metric can be; fewer end the comparison.
        source: whose claim, in the field: the paper, and what it says.
    """

    column: str
    claim: Claim
    queries: int
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One row held against itself, which tells how often a claim holds by chance.

    Args:
        row: a recipe, trained twice under each seed, by two draws.
        column: under which.
        seeds: how many, from 0 on; each gives two runs.
    """

    row: str
    column: str
    seeds: int = 20


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All of it.

    Args:
        rows: recipes, or `clip+clip_refine:40`; every one computes for as long as the first.
        steps: of the first.
        columns: name -> what differs, the plain one first.
        expected: name -> a claim; each is judged by itself.
        scale: of every run.
        seeds: each row is run once for each.
        source: as in params.yaml; the English emoji unless given.
        overrides: section -> numbers in place of each recipe's own.
        calibration: none unless given.

    Raises ConfigError for rows and columns that are named and are not there.
    """

    rows: tuple[str, ...]
    steps: int
    columns: dict[str, Column]
    expected: dict[str, Expected] = field(default_factory=dict)
    scale: str = "laptop"
    seeds: tuple[int, ...] = (0, 1, 2)
    source: dict[str, Any] = field(default_factory=lambda: dict(USUAL))
    overrides: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or len(set(self.seeds)) != len(self.seeds) or len(self.seeds) < 2 or len(self.rows) < 2:
            raise ConfigError(
                f"steps are {self.steps}, seeds {list(self.seeds)}, rows {list(self.rows)}. Give steps from 1, two seeds that differ or more, and two rows or more."
            )
        before: list[str] = []
        for name, column in self.columns.items():
            if column.steps_of and column.steps_of not in before:
                raise ConfigError(
                    f"the column {name} takes its steps of {column.steps_of!r}, but before it are {', '.join(before) or 'none'}. List that one first."
                )
            _known(f"the column {name}", column.rows, self.rows, "rows")
            if column.steps_of:
                _known(
                    f"the column {name}",
                    self.rows_of(name),
                    self.rows_of(column.steps_of),
                    f"rows of {column.steps_of}, whose steps it takes,",
                )
            before.append(name)
        for name, one in self.expected.items():
            _known(f"{name} in expected", (one.column,), tuple(self.columns), "columns")
            try:
                check_claim(one.claim, self.rows_of(one.column))
            except ConfigError as err:
                raise ConfigError(f"{name} in expected, of the column {one.column}: {err}") from err
        if self.calibration is not None:
            _known("calibration", (self.calibration.column,), tuple(self.columns), "columns")
            _known("calibration", (self.calibration.row,), self.rows, "rows")
            if "+" in self.calibration.row or self.calibration.seeds < len(self.seeds):
                raise ConfigError(
                    f"calibration.row is {self.calibration.row} and calibration.seeds {self.calibration.seeds}, but one recipe is trained twice, under as many "
                    f"seeds as a claim has, {len(self.seeds)}, or more. 20 are usual."
                )

    def rows_of(self, column: str) -> tuple[str, ...]:
        """Return the rows that take part in a column."""
        return self.columns[column].rows or self.rows

    def source_of(self, column: str) -> dict[str, Any]:
        """Return a column's source, whole."""
        its = self.columns[column].source
        return its if "name" in its else overlay(self.source, its)

    def overrides_of(self, column: str) -> dict[str, Any]:
        """Return what all runs of a column override."""
        return overlay(self.overrides, self.columns[column].overrides)


def load_comparison(path: Path) -> Comparison:
    """Read the file; ConfigError, with the line, for what it should not have, and where it is not there."""
    if not path.is_file():
        raise ConfigError(
            f"{path} is not there. Name a file with rows, steps and columns, such as docs/comparison.yaml."
        )
    document = read_yaml(path)
    # What is overridden stays as it is written: of what names a class, jsonargparse would make one.
    columns = document.values.get("columns")
    written = {name: one["overrides"] for name, one in _mappings(columns).items() if "overrides" in one}
    bare = {name: {**one, "overrides": {}} if name in written else one for name, one in _mappings(columns).items()}
    values = {**document.values, **({"columns": bare} if bare else {})}
    overrides = values.pop("overrides", None) or {}
    read = section(replace(document, values=values), "", Comparison)
    kept = {name: replace(one, overrides=written.get(name, {})) for name, one in read.columns.items()}
    return replace(read, columns=kept, overrides=overrides)


def _mappings(columns: object) -> dict[str, dict[str, Any]]:
    if not isinstance(columns, dict) or not all(isinstance(one, dict) for one in columns.values()):
        return {}
    return columns


def _known(who: str, named: tuple[str, ...], there: tuple[str, ...], what: str) -> None:
    for name in named:
        if name not in there:
            raise ConfigError(f"{who} names {name!r}, but the {what} are {', '.join(there)}. Name one of them.")
