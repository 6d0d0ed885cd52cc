"""Pictures on the takedown list, data/takedown.txt, and those that look like one of which it has the perceptual hash."""

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness
from components.validation.on_list import on_list
from components.validation.rows import Rows


class Takedown(Check):
    """Of every split.

    Args:
        bits: of the 64 of the perceptual hash that may differ from one on the list, whatever the colours.
    """

    def __init__(self, bits: int = 4) -> None:
        self.near = Nearness(bits=bits, colour=1.0)

    def find(self, rows: Rows) -> list[Finding]:
        """Return `takedown` for every such row, with the line of the list."""
        listed = on_list(rows, rows.takedown, self.near)
        return [rows.finding(at, "takedown", f"data/takedown.txt lists it: {line}") for at, line in listed.items()]
