"""Proofs: claims judged on numbers by hand, and one that is run, kept, listed, and run again for nothing."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts.errors import ConfigError, DataError
from components.recipes.micro_clip import MicroClip
from components.recipes.params import UNTRAINED
from components.recipes.proof import Arm, Claim, Given, Proof
from components.stages.learnt import digest_in, laid_at
from flows.audience import AUDIENCE
from flows.proving.arms import Study, params_of
from flows.proving.leased import commit_of, committed_params
from flows.proving.prove import judge, lines, prove, seeds_of
from flows.recipes import as_lines, recipes
from tests.workspace import REPOSITORY, diptych, make_workspace

METRIC = "retrieval.val.image_to_text.recall_at_1"


def metrics(value: float, chance: float = 0.1) -> dict[str, dict[str, float]]:
    return {"a": {"value": value, "chance": chance, "baseline": 0.25}}


@pytest.mark.parametrize(
    ("against", "by", "values"),
    [
        (None, "difference", (0.5, 0.7)),
        ("chance", "difference", (0.4, 0.6)),
        ("chance", "ratio", (5.0, 7.0)),
        ("baseline", "ratio", (2.0, 2.8)),
        ("clip", "difference", (0.1, 0.4)),
        ("clip", "ratio", (0.5 / 0.4, 0.7 / 0.3)),
    ],
)
def test_seeds_are_held_against_each_other_one_by_one(against, by, values):
    measured = {"ours": [metrics(0.5), metrics(0.7)], "clip": [metrics(0.4), metrics(0.3)]}
    found = judge(Claim(metric="a", arm="ours", against=against, by=by, at_least=0.0), measured)
    assert found.values == pytest.approx(values)
    assert found.verdict.mean == pytest.approx(sum(values) / 2)


def test_changes_are_held_against_each_other_since_a_third_arm():
    measured = {"start": [metrics(0.9)] * 2, "ours": [metrics(0.8), metrics(0.7)], "clip": [metrics(0.5), metrics(0.4)]}
    of = {"metric": "a", "arm": "ours", "since": "start", "at_most": 0.5}
    assert judge(Claim(**of), measured).values == pytest.approx((-0.1, -0.2))
    assert judge(Claim(**of, against="clip", by="ratio"), measured).values == pytest.approx((0.25, 0.4))


def test_arms_that_are_asked_in_two_ways_are_held_against_each_other():
    measured = {"ours": [metrics(0.5)] * 2, "clip": [{"b": one["a"]} for one in (metrics(0.4), metrics(0.3))]}
    claim = Claim(metric="a", arm="ours", against="clip", beside="b", at_least=0.0)
    assert judge(claim, measured).values == pytest.approx((0.1, 0.2))
    assert str(claim) == "a of ours against b of clip, difference at least 0"
    with pytest.raises(ConfigError, match="against b, but of no arm"):
        Proof(arms={"ours": Arm(recipe="filip")}, claims=(Claim(metric="a", arm="ours", beside="b", at_least=0.0),))


def test_a_number_that_was_not_measured_is_told_with_those_that_were():
    with pytest.raises(DataError, match=r"ours was not measured by b; there is a"):
        judge(Claim(metric="b", arm="ours", at_least=0.0), {"ours": [metrics(1), metrics(1)]})


def test_nothing_is_a_ratio_of_nothing():
    with pytest.raises(DataError, match="Claim a difference"):
        judge(
            Claim(metric="a", arm="ours", against="chance", by="ratio", at_least=1.0), {"ours": [metrics(1, chance=0)]}
        )


@pytest.mark.parametrize(("said", "seeds"), [(None, None), ("3,4", (3, 4)), ("0,1,2", (0, 1, 2))])
def test_seeds_are_numbers_with_commas(said, seeds):
    assert seeds_of(said) == seeds


@pytest.mark.parametrize("said", ["", "1", "1,1", "a,b", "-1,2", "0,4294967296"])
def test_what_are_no_seeds_is_refused(said):
    with pytest.raises(ConfigError, match="are no seeds"):
        seeds_of(said)


def test_an_arm_has_the_data_of_all_but_for_what_it_says_of_its_own(tmp_path):
    swapped = {"name": "scenes", "pictures": 200, "captions": {"alt": {"swapped": 0.4}, "short": {}}}
    arms = {"raw": Arm(recipe="clip"), "clean": Arm(recipe="clip", source={"captions": {"alt": {"swapped": 0.0}}})}
    study = Study(root=tmp_path, name="clip", commit="", arms=arms, seeds=(1,), scale="debug", source=swapped)
    committed = {"source": {"name": "emoji", "path": "data/own"}, "overrides": {"training": {"steps": 5}}}
    raw, clean = (params_of(committed, study, arm, 1, UNTRAINED) for arm in arms.values())
    assert raw["source"] == {"path": "data/own", **swapped}
    assert clean["source"] == {"path": "data/own", **swapped, "captions": {"alt": {"swapped": 0.0}, "short": {}}}
    assert {**clean, "source": raw["source"]} == raw


PROOF = {
    "source": {"name": "scenes", "pictures": 200}, "scale": "debug", "seeds": [0, 1],
    "arms": {"clip": {"recipe": "clip", "start": {"micro_clip": {"scenes": 240, "batch": 16, "steps": 2}}, "model": "start"}},
    "claims": [
        {"metric": METRIC, "arm": "clip", "at_least": -100.0},
        {"metric": METRIC, "arm": "clip", "against": "chance", "at_least": 1.0},
    ],
}  # fmt: skip


class Heard:
    """Keeps sentences and how steps ended."""

    def __init__(self):
        self.said, self.steps = [], []

    def began(self, name):
        pass

    def heard(self, event):
        pass

    def ended(self, name, how, seconds):
        self.steps.append((name, how))

    def told(self, sentence):
        self.said.append(sentence)


@pytest.mark.timeout(900)  # twelve stages, each a process of DVC and one of its own
def test_a_proof_is_run_kept_listed_and_run_again_for_nothing(tmp_path):
    root = make_workspace(tmp_path / "own")
    recipe = root / "components/recipes/clip.yaml"
    text = recipe.read_text()
    card = yaml.safe_load(text)["card"] | {"proof": PROOF}
    body = text[text.index("\ncuration:") :]
    recipe.write_text(yaml.safe_dump({"card": card}, sort_keys=False) + body)
    said = diptych(root, "prove", "clip")
    assert said.returncode == 1
    assert "components/recipes/clip.yaml differ from the last commit" in said.stderr
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    subprocess.run([*git, "commit", "-q", "-am", "a claim"], cwd=root, check=True)

    heard = Heard()
    token = AUDIENCE.set(heard)
    try:
        kept = prove(root, "clip", keep=True)
        ran = [how for _, how in heard.steps]
        places = [root / f".diptych/proofs/clip/clip-{seed}" for seed in (0, 1)]
        trained = [json.loads((place / "runs/clip/pretrain/metrics.json").read_text()) for place in places]
        begun = [one["start"]["path"] for one in trained]
        heard.steps.clear()
        again = prove(root, "clip")
    finally:
        AUDIENCE.reset(token)
    assert ran.count("ran") == 12
    assert {how for _, how in heard.steps} == {"cached"}
    assert [one["outcome"] for one in kept["claims"]] == ["holds", "does not hold"]
    assert kept["outcome"] == "does not hold"
    assert {**again, "seconds": 0} == {**kept, "seconds": 0}
    assert kept["commit"] == commit_of(root)
    assert len(list((root / ".diptych/starts").glob("micro_clip-*/weights.safetensors"))) == 1
    assert begun == ["data/starts/" + next((root / ".diptych/starts").iterdir()).name] * 2
    assert json.loads((root / "docs/proofs/clip.json").read_text()) == again
    assert not (root / ".diptych/proofs/clip").exists()
    assert any(
        re.fullmatch(r"clip, seed 0: whole after .*; 1 of 2, about .* left", sentence) for sentence in heard.said
    )
    row = next(row for row in recipes(root) if row["name"] == "clip")
    assert row["status"] == "does not hold"
    shown = "\n".join(as_lines([row]))
    assert f"{METRIC} of clip at least -100: holds" in shown
    assert "\n".join(lines(kept)).splitlines()[-1].startswith("clip: does not hold (2 seeds")


@pytest.mark.timeout(300)
def test_a_race_that_is_proven_is_told_what_its_start_learnt_from_as_adapting_does(tmp_path):
    root = make_workspace(tmp_path / "own")
    start = Given(micro_clip=MicroClip(scenes=240, batch=16, steps=2))
    alone = {"finetuning": {"init_args": {"ways": ["continued"], "replay": 0.0}}}
    arms = {
        "adapted": Arm(recipe="adapted", start=start),
        "alone": Arm(recipe="adapted", start=start, overrides=alone),
        "no race": Arm(recipe="clip", start=start, model="start"),
    }
    study = Study(root=root, name="it", commit=commit_of(root), arms=arms, seeds=(1,), scale="debug")
    committed, made = committed_params(root, study.commit), dict[MicroClip, Path]()

    def told(arm: str) -> tuple[Path, dict[str, Any]]:
        place = study._make(arm, 1, committed, made).place
        (begin,) = yaml.safe_load((place / "params.yaml").read_text())["recipes"].values()
        return place / begin["start"], begin.get("race", {})

    (model, adapted), (_, plain), (_, none) = map(told, arms)
    laid = laid_at(study.folders["adapted", 1], model)
    assert laid is not None
    assert (adapted["recalled"], adapted["replay"]) == ({"name": "start", "digest": digest_in(laid)}, "auto")
    assert adapted["as_trained"]["optimizer"] == "muon"
    assert plain == {"as_trained": adapted["as_trained"]}
    assert none == {}
    assert told("adapted") == (model, adapted), "one that was killed goes on by the same params.yaml"


def test_a_recipe_without_a_proof_and_one_that_is_not_there_are_told(tmp_path):
    root = make_workspace(tmp_path / "own")
    recipe = root / "components/recipes/clip.yaml"
    text = recipe.read_text()
    recipe.write_text(text[: text.index("  proof:")] + text[text.index("\ncuration:") :])
    with pytest.raises(ConfigError, match=r"has no card\.proof"):
        prove(root, "clip")
    with pytest.raises(ConfigError, match=r"no recipe 'clap'.*did you mean clip"):
        prove(root, "clap")


def test_the_page_of_a_proof_has_its_claims_and_seeds_its_data_and_what_it_took(prefect_api, monkeypatch):
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.proving.published import publish_proof

    monkeypatch.setenv("DIPTYCH_PRICE_PER_HOUR", "2.5")
    found = json.loads((REPOSITORY / "docs/proofs/clip_refine.json").read_text())
    flow(publish_proof, name="prove")(found, REPOSITORY)
    with get_client(sync_client=True) as client:
        (shown,) = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["proof"])))
    for claim in found["claims"]:
        assert f"- {claim['claim']}: {claim['outcome']}\n" in shown.data
        assert ", ".join(f"{value:.4g}" for value in claim["values"]) in shown.data
    assert f'Arms: {", ".join(found["arms"])}. Scale {found["scale"]}. Data: {{"name": "scenes"' in shown.data
    assert f"Code {found['commit']}." in shown.data
    assert f"costs {found['seconds'] / 3600 * 2.5:,.4f} at 2.5 an hour" in shown.data
    assert f"`{REPOSITORY}/docs/proofs/clip_refine.json`" in shown.data
    assert shown.description == f"clip_refine: {found['outcome']}"
