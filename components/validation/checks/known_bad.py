"""Pictures on the list of known-bad ones, data/known-bad.txt, such as an authority or a hotline hands out, and their near copies.

Not the takedown list: there, somebody asked for a picture to go; a hit here is for a person to look into, and perhaps to report.
"""

from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness
from components.validation.on_list import on_list
from components.validation.rows import Rows


class KnownBad(Check):
    """Of every split.

    Args:
        bits: of the 64 of the perceptual hash that may differ from one on the list, whatever the colours.
    """

    def __init__(self, bits: int = 4) -> None:
        self.near = Nearness(bits=bits, colour=1.0)

    def find(self, rows: Rows) -> list[Finding]:
        """Return `known_bad` for every such row, with the line of the list."""
        listed = on_list(rows, rows.known_bad, self.near)
        return [rows.finding(at, "known_bad", f"data/known-bad.txt lists it: {line}") for at, line in listed.items()]
