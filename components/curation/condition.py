"""A condition over columns, such as `width >= 64 and licence in ("CC0-1.0", "CC-BY-4.0")`, as a person writes it.

It is read as Python's own grammar reads it, and computed by Arrow, a column at once. Nothing is evaluated as code: what is no
comparison, sum, word or number of the list below is refused when the recipe is read. Where a value is missing, so is the answer,
unless the condition asks for it by `is None`.
"""

import ast
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import ConfigError

_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: pc.equal, ast.NotEq: pc.not_equal, ast.Lt: pc.less, ast.LtE: pc.less_equal, ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}  # fmt: skip
_COMPUTED: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: pc.add, ast.Sub: pc.subtract, ast.Mult: pc.multiply, ast.Div: pc.divide,
}  # fmt: skip
_CONSTANTS = (str, int, float)
_TAKES = (
    "It takes columns, numbers, texts, lists after `in`, and, or, not, ==, !=, <, <=, >, >=, +, -, *, /, and `is None`."
)


class Condition:
    """What must hold of a row.

    Args:
        said: as it stands in the recipe. ConfigError for what is no such condition.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        try:
            self._tree = ast.parse(said.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
            raise ConfigError(f"where is {said!r}, which cannot be read ({err}). {_TAKES}") from err
        self.columns = tuple(dict.fromkeys(self._check(self._tree)))

    def _check(self, node: ast.AST, listed: bool = False) -> list[str]:
        """Return the columns below a node; ConfigError for one that is none of ours."""
        match node:
            case ast.BoolOp(values=values):
                return [name for value in values for name in self._check(value)]
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                return self._check(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED:
                return self._check(left) + self._check(right)
            case ast.Compare(left=left, ops=compared, comparators=others):
                names = self._check(left)
                for how, other in zip(compared, others, strict=True):
                    self._check_against(how, other)
                    names += self._check(other, isinstance(how, ast.In | ast.NotIn)) if not _is_none(other) else []
                return names
            case ast.List(elts=elements) | ast.Tuple(elts=elements) if listed and elements:
                if all(isinstance(one, ast.Constant) and isinstance(one.value, _CONSTANTS) for one in elements):
                    return []
            case ast.Name(id=name):
                return [name]
            case ast.Constant(value=value) if isinstance(value, _CONSTANTS):
                return []
        raise ConfigError(f"where is {self.said!r}, and {ast.unparse(node)!r} in it is nothing it takes. {_TAKES}")

    def _check_against(self, op: ast.cmpop, other: ast.expr) -> None:
        listed, none = isinstance(other, ast.List | ast.Tuple), _is_none(other)
        fits = (
            listed if isinstance(op, ast.In | ast.NotIn) else none if isinstance(op, ast.Is | ast.IsNot) else not none
        )
        if not fits:
            raise ConfigError(
                f"where is {self.said!r}, and {ast.unparse(other)!r} cannot stand there: a list of values stands after `in`, None "
                "after `is`."
            )

    def holds(self, columns: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
        """Return bool of each row, null where it cannot be said; ConfigError for a column that is not there, or of another type."""
        for name in self.columns:
            if name not in columns:
                near = get_close_matches(name, columns, n=1, cutoff=0)[0]
                raise ConfigError(
                    f"where is {self.said!r}, but there is no column {name!r}; did you mean {near}? There are "
                    f"{', '.join(columns)}; Measure, Score, Cluster and Tag add more where they stand before."
                )
        try:
            found = self._value(self._tree, columns)
        except pa.ArrowException as err:
            raise ConfigError(
                f"where is {self.said!r}, which does not fit its columns: {str(err).splitlines()[0]}."
            ) from err
        if not (isinstance(found, pa.ChunkedArray) and pa.types.is_boolean(found.type)):
            raise ConfigError(
                f"where is {self.said!r}, which is not true or false of a row. Compare a column with something, as in width >= 64."
            )
        return found

    def _value(self, node: ast.AST, columns: Mapping[str, pa.ChunkedArray]) -> Any:
        match node:
            case ast.BoolOp(op=op, values=values):
                together = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
                found = [self._value(value, columns) for value in values]
                for other in found[1:]:
                    found[0] = together(found[0], other)
                return found[0]
            case ast.UnaryOp(op=op, operand=operand):
                return (pc.invert if isinstance(op, ast.Not) else pc.negate)(self._value(operand, columns))
            case ast.BinOp(left=left, op=op, right=right):
                one, other = self._value(left, columns), self._value(right, columns)
                return _COMPUTED[type(op)](one, pc.cast(other, pa.float64()) if isinstance(op, ast.Div) else other)
            case ast.Compare(left=left, ops=compared, comparators=others):
                one, answer = self._value(left, columns), None
                for how, right in zip(compared, others, strict=True):
                    found = self._compared(how, one, right, columns)
                    answer = found if answer is None else pc.and_kleene(answer, found)
                    one = one if _is_none(right) or isinstance(how, ast.In | ast.NotIn) else self._value(right, columns)
                return answer
            case ast.Name(id=name):
                return columns[name]
        assert isinstance(node, ast.Constant)
        return pa.scalar(node.value)

    def _compared(self, op: ast.cmpop, one: Any, right: ast.expr, columns: Mapping[str, pa.ChunkedArray]) -> Any:
        if isinstance(op, ast.Is | ast.IsNot):
            missing = pc.is_null(one, nan_is_null=True)
            return missing if isinstance(op, ast.Is) else pc.invert(missing)
        if isinstance(right, ast.List | ast.Tuple):
            values = pa.array([element.value for element in right.elts if isinstance(element, ast.Constant)])
            inside = pc.is_in(one, values.cast(one.type))
            known = pc.if_else(pc.is_valid(one), inside, pa.scalar(None, pa.bool_()))
            return known if isinstance(op, ast.In) else pc.invert(known)
        return _COMPARED[type(op)](one, self._value(right, columns))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
