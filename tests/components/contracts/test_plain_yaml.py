"""What is read in C is what PyYAML's own safe loader reads, and what is no YAML is told in its words."""

from pathlib import Path

import pytest
import yaml

from components.contracts.plain_yaml import load_yaml

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml", "components/recipes/clip.yaml"])
def test_files_of_ours_are_read_alike(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert load_yaml(text) == yaml.safe_load(text)


def test_numbers_are_those_of_dvc():
    assert load_yaml("[1e-05, -2E+3, 1.5e3, .5e-1, 1.e2]") == [1e-05, -2000.0, 1500.0, 0.05, 100.0]
    assert load_yaml("[e5, 1e, 1e5a, 0x1e5, 12e-]") == ["e5", "1e", "1e5a", 0x1E5, "12e-"]


@pytest.mark.parametrize("text", ["{", "a: b: c", "!!python/object:os.system {}", "\x00"])
def test_what_is_no_yaml_or_asks_for_code_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)
