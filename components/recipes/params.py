"""params.yaml: what a person chooses. What the choices mean is defined elsewhere."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.contracts.admit import Admit
from components.contracts.deploying import Deploying
from components.contracts.errors import ConfigError
from components.contracts.monitor import Watch
from components.contracts.promotion import Rules
from components.contracts.seed import ALLOWED, is_seed
from components.recipes.section import section
from components.recipes.yaml_lines import Document, read_yaml

OVERRIDABLE = ("curation", "model", "method", "training", "finetuning", "evaluation", "serving")  # sections of a recipe
INIT_FROM = "init_from"  # how others call the start, in a recipe's section `training`
UNTRAINED = "data/untrained.txt"  # a file that DVC can watch, as it watches the folder of a start


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Where the pipeline stops.

    Args:
        max_broken: share of the samples, 0 to 1, that may be broken.
        policy: reason of which there is a choice -> whether samples of which it is found are kept, or set aside.
        scored_by: the model that says how well words fit pictures: the folder of a package, or NAME@VERSION of the registry; none
            where it is empty.
        misfit: how far below the median, in spreads, a score is odd.
        retention: share, 0 to 1, of a set's main number that a model which was adapted may have lost against its start.
    """

    max_broken: float
    policy: dict[str, Literal["keep", "drop"]] = field(default_factory=dict)
    scored_by: str = ""
    misfit: float = 3.5
    retention: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.retention <= 1:
            raise ConfigError(f"gates.retention is {self.retention}, but it is a share. Give a number from 0 to 1.")
        if not 0 <= self.max_broken <= 1:
            raise ConfigError(f"gates.max_broken is {self.max_broken}, but it is a share. Give a number from 0 to 1.")
        check_bar("gates.misfit", self.misfit)


def check_seed(seed: int) -> None:
    """Raise ConfigError for a seed that not every library takes."""
    if not is_seed(seed):
        raise ConfigError(f"seed is {seed}, which not every library draws by. {ALLOWED}")


def check_bar(name: str, bar: float) -> None:
    """Raise ConfigError unless a bar is a number of spreads."""
    if not 0 < bar < math.inf:
        raise ConfigError(
            f"{name} is {bar}, but it is how many spreads below the median a score is odd. Give a number above 0; 3.5 is usual, "
            "less tells of more pairs."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a recipe begins from.

    Args:
        start: the folder of a model, from the workspace: of a run, a package, or what `diptych model import` wrote. UNTRAINED
            where weights are drawn.
        model: whose architecture is trained: the recipe's, which the start's weights must fit by name and shape, or the start's.
        race: numbers in place of those of the recipe's race of ways to tune, such as `budget_s: 300`.
        compatible_with: the folder of the model whose index is to be searched by what is trained, as `diptych run --compatible-with`
            lays it into `models`; none where it is empty.
    """

    start: str = UNTRAINED
    model: Literal["recipe", "start"] = "recipe"
    race: dict[str, Any] = field(default_factory=dict)
    compatible_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """The choices.

    Args:
        source: where the data comes from: `name`, and what that source takes.
        recipes: which papers are run, each with what it begins from.
        scale: how big.
        seed: decides every draw.
        gates: where it stops.
        promotion: when a model may take the place of the one that is served.
        deploy: how the one that may comes to be served.
        admit: what may come in at all.
        monitor: what is watched of what is served.
        overrides: section of the recipe -> numbers in place of its own; those of the scale stand under `training`.
    """

    source: dict[str, Any]
    recipes: dict[str, Begin]
    scale: str
    seed: int
    gates: Gates
    promotion: Rules = field(default_factory=Rules)
    deploy: Deploying = field(default_factory=Deploying)
    admit: Admit = field(default_factory=Admit)
    monitor: Watch = field(default_factory=Watch)
    overrides: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_seed(self.seed)


def load_params(root: Path) -> Params:
    """Read params.yaml of the workspace; ConfigError with line and nearest name for what it should not have."""
    document = read_yaml(root / "params.yaml")
    return section(document, "", Params)


def no_init_from(document: Document, key: str) -> ConfigError:
    """Return the error for a start that is said where DVC cannot read it: `key` of the document."""
    return ConfigError(
        f"{document.at(key)}: {key} says what a training begins from, where DVC, which makes a start before what begins from it, does not read it. Say it in "
        f"params.yaml, recipes: {{NAME: {{start: runs/clip/finetune}}}}; `diptych run --recipe NAME --set training.{INIT_FROM}=runs/clip/finetune` writes that."
    )
