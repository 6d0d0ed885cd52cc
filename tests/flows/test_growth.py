"""A stream of data: where a model grows, by hand, and one that is run on scenes whose designers arrive one after another."""

import json

import pytest

from components.contracts.errors import ConfigError
from components.recipes.recipe import load_recipe
from flows.proving.growth import STAY, Probe, Sizes, chosen, grow
from tests.workspace import REPOSITORY, diptych, leave_out_probe, make_workspace

FIRST = "source == 'flat'"


def probes(**scores: tuple[float, int]) -> dict[str, Probe]:
    return {name: Probe(score=score, parameters=count, cpu_s=1.0) for name, (score, count) in scores.items()}


def test_a_block_goes_where_it_gains_most_for_its_parameters():
    assert chosen(probes(stay=(0.5, 100), image=(0.6, 200), text=(0.55, 120))) == "text"
    assert chosen(probes(stay=(0.5, 100), image=(0.6, 130), text=(0.55, 120))) == "image"


def test_a_model_stays_as_it_is_where_nothing_gains():
    assert chosen(probes(stay=(0.5, 100), image=(0.5, 110), text=(0.4, 120))) == STAY


def test_candidates_have_a_block_more_in_one_chain_and_none_less():
    sizes = Sizes.of(load_recipe(REPOSITORY, "growclip", "debug"))
    assert sizes == Sizes(image=2, text=2, shared=1)
    assert sizes.candidates() == {
        STAY: sizes, "image": Sizes(image=3, text=2, shared=1), "text": Sizes(image=2, text=3, shared=1),
        "shared": Sizes(image=2, text=2, shared=2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arrivals", "steps", "says"),
    [
        ("growclip", [FIRST], None, "two arrivals at least"),
        ("growclip", [FIRST, FIRST], 4, "--steps 4 leaves no step to probe with"),
        ("growcilp", [FIRST, FIRST], None, "no recipe 'growcilp'.*did you mean growclip"),
        ("clip", [FIRST, FIRST], None, "clip cannot grow: its model does not say how deep it is"),
    ],
)
def test_what_is_no_stream_is_refused(name, arrivals, steps, says):
    with pytest.raises(ConfigError, match=says):
        grow(REPOSITORY, name, arrivals, steps=steps)


@pytest.mark.timeout(1800)  # seven trainings, each by stages that are processes of their own
def test_a_stream_is_run_and_written(tmp_path):
    root = make_workspace(tmp_path / "own")
    leave_out_probe(root, "growclip")
    arrivals = [FIRST, "source in ('flat', 'ink')"]
    flags = ["--data", "scenes", "--scale", "debug", "--steps", "10"]
    said = diptych(root, "grow", "growclip", *arrivals, *flags, "--to", "stream.json")
    assert said.returncode == 0, said.stderr
    kept = json.loads((root / "stream.json").read_text())
    first, second = kept["arrivals"]
    assert [first["where"], second["where"]] == arrivals
    assert first["pictures"] < second["pictures"] == kept["anew"]["pictures"]
    assert (first["probes"], first["grew"]) == ({}, "")
    assert set(second["probes"]) == {STAY, "image", "text", "shared"}
    assert second["grew"] in second["probes"]
    assert second["parameters"] == second["probes"][second["grew"]]["parameters"]
    assert (first["steps"], second["steps"], kept["anew"]["steps"], kept["probe_steps"]) == (10, 10, 20, 1)
    spent = second["cpu_s"] + sum(one["cpu_s"] for one in second["probes"].values())
    assert kept["last_beside_anew"] == pytest.approx(spent / kept["anew"]["cpu_s"], abs=0.01)
    assert "the last arrival, probes and all, took" in said.stdout
    assert not (root / ".diptych/proofs/grow").exists()
