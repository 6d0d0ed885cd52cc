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


@pytest.mark.parametrize("text", ["{", "a: b: c", "!!python/object:os.system {}", "\x00"])
def test_what_is_no_yaml_or_asks_for_code_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)
