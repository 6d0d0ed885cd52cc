"""Expectations as they are listed: each with the reason that a row gets for failing it, and the rule in words."""

from typing import Any, Protocol


class Expect(Protocol):
    """What a suite says of its table, one call an expectation."""

    def __call__(self, kind: Any, reason: str, rule: str, **arguments: Any) -> None:
        """Hold the table to an expectation class of Great Expectations with its arguments."""


class Held:
    """Takes expectations in their order."""

    def __init__(self) -> None:
        self.expectations: list[Any] = []

    def expect(self, kind: Any, reason: str, rule: str, **arguments: Any) -> None:
        """Take one, see Expect."""
        meta = {"reason": reason, "rule": rule, "place": len(self.expectations)}
        self.expectations.append(kind(**arguments, meta=meta))
