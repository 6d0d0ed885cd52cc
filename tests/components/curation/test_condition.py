import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.curation.condition import Condition

TABLE = pa.table({
    "words": [1, 5, None, 9], "aspect": [1.0, 2.5, 3.0, float("nan")], "licence": ["CC0-1.0", "MIT", None, "MIT"],
    "odd": [True, False, True, None],
})  # fmt: skip


def held(said: str) -> list[bool | None]:
    return Condition(said).holds({name: TABLE[name] for name in TABLE.column_names}).to_pylist()


@pytest.mark.parametrize(
    ("said", "rows"),
    [
        ("words >= 5", [False, True, None, True]),
        ("2 < words <= 5", [False, True, None, False]),
        ("words * 2 + 1 == 11", [False, True, None, False]),
        ("words / 2 > 2.4", [False, True, None, True]),
        ("-words < -4", [False, True, None, True]),
        ("licence in ('CC0-1.0', 'MIT')", [True, True, None, True]),
        ("licence not in ['MIT']", [True, False, None, False]),
        ("words is None", [False, False, True, False]),
        ("aspect is not None", [True, True, True, False]),
        ("words > 3 and licence == 'MIT'", [False, True, None, True]),
        ("words > 3 or licence == 'CC0-1.0'", [True, True, None, True]),
        ("not odd", [False, True, False, None]),
        ("odd", [True, False, True, None]),
        ("words > 100 and licence == 'MIT'", [False, False, None, False]),
    ],
)
def test_it_says_what_python_would_say_and_nothing_of_what_is_missing(said, rows):
    assert held(said) == rows


@pytest.mark.parametrize(
    "said",
    [
        "__import__('os').system('true')", "words.real > 1", "words[0] > 1", "(lambda: 1)() > 0", "[w for w in words]", "f'{words}' == '1'",
        "words ** 9999 > 1", "words if odd else aspect", "words > b'x'", "words > ...", "words > {1: 2}", "words := 1", "words & 1",
        "words in licence", "words == (1, 2)", "words is 1", "words == None", "words in ()", "words in (odd, 1)", "x; y", "", "words >",
    ],
)  # fmt: skip
def test_what_is_no_comparison_is_refused_when_it_is_read(said):
    with pytest.raises(ConfigError, match="where is ") as raised:
        Condition(said)
    assert repr(said) in str(raised.value)


def test_a_column_that_is_not_there_has_a_nearest():
    with pytest.raises(
        ConfigError, match="there is no column 'word'; did you mean words\\? There are words, aspect, licence, odd;"
    ):
        held("word > 1")


@pytest.mark.parametrize("said", ["words > 'x'", "licence + 1 > 2", "words in ('a', 'b')", "words and odd"])
def test_a_type_that_does_not_fit_is_said(said):
    with pytest.raises(ConfigError, match="which does not fit its columns"):
        held(said)


@pytest.mark.parametrize("said", ["words", "words + 1", "1 > 2", "True"])
def test_what_is_not_true_or_false_of_a_row_is_refused(said):
    with pytest.raises(ConfigError, match="is not true or false of a row"):
        held(said)


def test_very_deep_conditions_are_an_error_of_ours():
    with pytest.raises(ConfigError, match="cannot be read"):
        Condition("(" * 5000 + "words" + ")" * 5000)
