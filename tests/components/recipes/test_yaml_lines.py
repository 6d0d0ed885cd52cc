"""Every key has the line it stands in."""

import pytest

from components.contracts.errors import ConfigError
from components.recipes.yaml_lines import MOST_KEYS, read_yaml

TEXT = """\
# a comment
model:
  parts: {one: 1,
          two: 2}
  list:
    - name: x
sizes:
  debug:
    parts:
      two: 3
      three: 4
"""


def test_keys_have_their_lines_at_every_depth(tmp_path):
    (tmp_path / "some.yaml").write_text(TEXT)
    document = read_yaml(tmp_path / "some.yaml")
    assert document.values["model"]["parts"] == {"one": 1, "two": 2}
    lines = {
        "model": 2,
        "model.parts": 3,
        "model.parts.one": 3,
        "model.parts.two": 4,
        "model.list.0.name": 6,
        "sizes": 7,
    }
    assert {key: document.lines[key] for key in lines} == lines
    assert document.at("model.parts.two") == "some.yaml, line 4"


def test_a_key_that_is_not_there_has_the_line_of_what_is_above_it(tmp_path):
    (tmp_path / "some.yaml").write_text(TEXT)
    document = read_yaml(tmp_path / "some.yaml")
    assert document.at("model.parts.four.five") == "some.yaml, line 3"
    assert document.at("") == document.at("nowhere") == "some.yaml, line 1"


def test_what_lies_over_a_key_has_its_own_line(tmp_path):
    (tmp_path / "some.yaml").write_text(TEXT)
    laid = read_yaml(tmp_path / "some.yaml").laid_over("model", "sizes.debug")
    assert [laid.lines[f"model.parts.{name}"] for name in ("one", "two", "three")] == [3, 10, 11]
    assert laid.lines["sizes.debug.parts.two"] == 10


def test_a_number_with_an_exponent_is_one_with_or_without_a_point(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("lr: 1e-05\nquoted: '1e-05'\nfar: -2E+3\npointed: 1.0e-4\nword: e5\n")
    assert read_yaml(path).values == {"lr": 1e-05, "quoted": "1e-05", "far": -2000.0, "pointed": 1e-4, "word": "e5"}


def test_off_is_a_word_and_true_is_true(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("spike: off\nanswer: no\nbits: [on, truely, true, False, TRUE]\nempty: null\nnumber: 1.0e-3\n")
    assert read_yaml(file).values == {
        "spike": "off", "answer": "no", "bits": ["on", "truely", True, False, True], "empty": None, "number": 0.001,
    }  # fmt: skip


LAUGHS = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)),
    ]
)


@pytest.mark.parametrize(("text", "says"), [
    (LAUGHS, f"more than {MOST_KEYS:,} keys"), ("a: &a [*a]", "without end"), ("a: &a {b: *a}", "without end"),
    (f"a: {'[' * 20_000}", "nested without end|not YAML"), ("a: !!python/object/apply:os.system [id]", "not YAML"),
], ids=["laughs", "list in itself", "mapping in itself", "deep", "code"])  # fmt: skip
def test_what_unfolds_without_end_or_asks_for_code_is_refused(tmp_path, text, says):
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_yaml(tmp_path / "some.yaml")
