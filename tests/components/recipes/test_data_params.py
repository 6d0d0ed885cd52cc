"""The sections of params.yaml about data: any of them, or a whole file, and nothing that no params.yaml has."""

import pytest

from components.contracts.admit import Admit
from components.contracts.errors import ConfigError
from components.recipes.data_params import DataParams, load_data_params
from components.recipes.params import Gates, load_params


def test_a_whole_params_yaml_says_the_same_as_to_a_run(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "source: {name: scenes}\nrecipes: {clip: {start: data/untrained.txt}}\nscale: debug\nseed: 3\n"
        "gates: {max_broken: 0.2, policy: {face: drop}}\nadmit: {licences: [MIT]}\noverrides: {training: {steps: 3}}\n"
    )
    run, ours = load_params(tmp_path), load_data_params(tmp_path / "params.yaml")
    assert (ours.source, ours.seed, ours.gates, ours.admit) == (run.source, run.seed, run.gates, run.admit)
    assert ours.gates == Gates(max_broken=0.2, policy={"face": "drop"})


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("seed: 4\n", DataParams(seed=4)),
        ("admit: {consent: required}\n", DataParams(admit=Admit(consent="required"))),
        ("gates: {max_broken: 0.5}\n", DataParams(gates=Gates(max_broken=0.5))),
    ],
)
def test_some_of_its_sections_are_enough(tmp_path, said, means):
    (tmp_path / "asked.yaml").write_text(said)
    assert load_data_params(tmp_path / "asked.yaml") == means


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("admitt: {}\n", r"asked.yaml, line 1: the file takes no 'admitt'.*Did you mean admit"),
        ("seed: 1\nadmit: {consnt: required}\n", r"asked.yaml, line 2: .*takes no 'consnt'.*Did you mean consent"),
        ("gates: {policy: {face: blur}}\n", r"asked.yaml, line 1: .*keep.*drop"),
        ("gates: {max_broken: 7}\n", "it is a share"),
        ("admit: {}\nseed: -1\n", r"asked.yaml, line 2: seed is -1, .*from 0 to 4294967295"),
    ],
)
def test_what_no_params_yaml_has_is_an_error_with_its_line(tmp_path, said, error):
    (tmp_path / "asked.yaml").write_text(said)
    with pytest.raises(ConfigError, match=error):
        load_data_params(tmp_path / "asked.yaml")
    with pytest.raises(ConfigError, match="there is no file"):
        load_data_params(tmp_path / "none.yaml")
