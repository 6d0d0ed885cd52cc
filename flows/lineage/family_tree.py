"""Where something comes from and where it went, as a tree: for a person, as JSON, and as a picture that Mermaid draws."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["endpoint", "version", "run", "recipe", "commit", "environment", "start", "data", "source", "set", "picture"]  # fmt: skip
_HEX = re.compile(r"[0-9a-f]{32,64}")
_SHOWN = 12  # digits of a digest, for a person
_OUTSIDE = re.compile(r"[^\w .,:;@/+()=%-]")  # what may mean something to Mermaid


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing.

    Args:
        name: by which it can be asked for.
        how: what it has to do with the one above, such as `made by`.
        facts: what is said of it, by name; what has parts of its own is said in JSON alone.
        below: what it comes from, or where it went.
    """

    kind: Kind
    name: str
    how: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    below: tuple["Node", ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain values, digests whole."""
        return {
            "kind": self.kind, "name": self.name, "how": self.how or None, "facts": dict(self.facts),
            "below": [node.as_json() for node in self.below],
        }  # fmt: skip

    @property
    def title(self) -> str:
        """Kind and name, as a person reads them."""
        return f"{self.kind} {_short(self.name)}"


def as_lines(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield a line a thing."""
    for node in nodes:
        yield from _lines(node, "", "")


def as_mermaid(nodes: Sequence[Node]) -> str:
    """Return a flowchart; what is the same thing is one box."""
    boxes: dict[tuple[str, str], str] = {}
    arrows: dict[str, None] = {}

    def box(node: Node) -> str:
        return boxes.setdefault((node.kind, node.name), f"n{len(boxes)}")

    def draw(node: Node) -> None:
        here = box(node)
        for one in node.below:
            said = f"|{_quoted(one.how)}|" if one.how else ""
            arrows[f"  {here} -->{said} {box(one)}"] = None
            draw(one)

    for node in nodes:
        draw(node)
    titles = {key: f'  {number}["{_quoted(f"{key[0]} {_short(key[1])}")}"]' for key, number in boxes.items()}
    return "\n".join(["flowchart LR", *titles.values(), *arrows])


def _lines(node: Node, first: str, rest: str) -> Iterator[str]:
    how = f"{node.how}: " if node.how else ""
    facts = ", ".join(f"{name} {_said(value)}" for name, value in node.facts.items() if not isinstance(value, dict))
    yield f"{first}{how}{node.title}{f' ({facts})' if facts else ''}"
    for at, one in enumerate(node.below):
        last = at == len(node.below) - 1
        yield from _lines(one, f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}")


def _said(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_said(one) for one in value)
    return _short(str(value))


def _short(text: str) -> str:
    return text[:_SHOWN] if _HEX.fullmatch(text) else text


def _quoted(text: str) -> str:
    return _OUTSIDE.sub(lambda found: f"#{ord(found[0])};", text)
