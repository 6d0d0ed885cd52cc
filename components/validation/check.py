"""What finds fault with rows that are whole: one file of components/validation/checks, one test, and one row of catalogue.yaml.

Checks run in the order of the catalogue, each on the rows that those before it left. What becomes of a row is not
theirs to say: contracts/reasons.py knows for each code whether the row is broken, set aside, or kept and told of.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from components.validation.findings import Finding
from components.validation.rows import Rows

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


class Check(ABC):
    """Base of all checks: settings go in the constructor, rows in the call."""

    @abstractmethod
    def find(self, rows: Rows) -> list[Finding]:
        """Return what is wrong with which row, at most once a row and reason; the same for the same rows in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of catalogue.yaml.

    Args:
        class_path: the check's class.
        reasons: the codes it may give.
        about: what it looks for, in words.
        init_args: its settings.
        source: where the method comes from.
    """

    class_path: str
    reasons: Sequence[str]
    about: str
    init_args: dict[str, Any] = field(default_factory=dict)
    source: str = ""


def read_catalogue() -> dict[str, Entry]:
    """Return name -> row, in the order in which the checks run."""
    rows = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return {name: Entry(**row) for name, row in rows.items()}


def build_check(entry: Entry) -> Check:
    """Return the check of a row."""
    module, _, attribute = entry.class_path.rpartition(".")
    return cast(Check, getattr(importlib.import_module(module), attribute)(**entry.init_args))


def all_checks() -> list[Check]:
    """Return the checks of the catalogue, in order."""
    return [build_check(entry) for entry in read_catalogue().values()]
