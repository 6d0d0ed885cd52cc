"""What params.yaml says of data, for whoever only looks at data: no recipe, no scale and no workspace is needed."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from components.contracts.admit import Admit
from components.contracts.errors import ConfigError
from components.recipes.params import Begin, Gates, Params, check_seed
from components.recipes.section import section, unknown
from components.recipes.yaml_lines import read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class DataParams:
    """The sections of params.yaml that are about data; a file may leave out any of them.

    Args:
        source: where the data comes from; None where nothing is said.
        seed: decides every draw.
        gates: how much may be broken, and what is done with doubtful rows; None where nothing is said.
        admit: what may come in at all.
        recipes: that are to learn from it.
        scale: at which; empty where nothing is said.
    """

    source: dict[str, Any] | None = None
    seed: int = 0
    gates: Gates | None = None
    admit: Admit = field(default_factory=Admit)
    recipes: dict[str, Begin] = field(default_factory=dict)
    scale: str = ""

    def __post_init__(self) -> None:
        check_seed(self.seed)


def load_data_params(path: Path) -> DataParams:
    """Read them from a file; ConfigError with line and nearest name for what no params.yaml should have."""
    if not path.is_file():
        raise ConfigError(f"there is no file {path}. Give --params a params.yaml, or a file with some of its sections.")
    document = read_yaml(path)
    known = [its.name for its in fields(Params)]
    for name in document.values:
        if name not in known:
            raise unknown(document, name, name, known, "the file")
    ours = {its.name for its in fields(DataParams)}
    values = {name: value for name, value in document.values.items() if name in ours}
    return section(replace(document, values=values), "", DataParams)
