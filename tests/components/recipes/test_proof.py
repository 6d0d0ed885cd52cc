"""Claims in numbers, read from a recipe's card: what they say, and what says nothing."""

from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from components.recipes.micro_clip import MicroClip
from components.recipes.proof import Arm, Claim, Given, Proof
from components.recipes.recipe import load_card, load_recipe

REPOSITORY = Path(__file__).parents[3]
ARMS = {"clip": Arm(recipe="clip"), "other": Arm(recipe="siglip")}


def claim(**changed) -> Claim:
    return Claim(**{"metric": "a.b", "arm": "clip", "at_least": 2.0} | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "a.b of clip at least 2"),
        ({"against": "chance", "by": "ratio"}, "a.b of clip against chance, ratio at least 2"),
        ({"against": "other", "at_least": None, "at_most": 0.5}, "a.b of clip against other, difference at most 0.5"),
        ({"against": "baseline"}, "a.b of clip against baseline, difference at least 2"),
        (
            {"against": "other", "since": "clip", "by": "ratio"},
            "a.b of clip against other, since clip, ratio at least 2",
        ),
    ],
)
def test_a_claim_reads_as_a_sentence(changed, said):
    assert str(claim(**changed)) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"claims": (claim(arm="clop"),)}, "name the arm 'clop', but there are clip, other"),
        ({"claims": (claim(against="clop"),)}, "name the arm 'clop'"),
        ({"claims": (claim(since="clop"),)}, "name the arm 'clop'"),
        ({"claims": (claim(since="other", against="chance"),)}, "chance, which has no change"),
        (
            {"arms": ARMS | {"clip": Arm(recipe="clip", start=Given(arm="other"))}},
            "clip begins from the arm 'other', but before it are none",
        ),
        ({"claims": (claim(at_most=1.0),)}, "both at_least and at_most"),
        ({"claims": (claim(at_least=None),)}, "or neither"),
        ({"claims": ()}, "arms and claims go together"),
        ({"seeds": (1,)}, "nobody knows how far chance reaches"),
        ({"seeds": (1, 1)}, "nobody knows how far chance reaches"),
    ],
)
def test_what_says_nothing_is_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        Proof(**{"arms": ARMS, "claims": (claim(),)} | changed)


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("micro_clip", Given(micro_clip=MicroClip())),
        ("{micro_clip: {seed: 1, patch: 8}}", Given(micro_clip=MicroClip(seed=1, patch=8))),
        ("{arm: clip}", Given(arm="clip")),
        ("runs/clip/pretrain", None),
    ],
)
def test_a_start_is_a_path_or_a_model_that_is_made_before(tmp_path, said, given):
    found = load_card(with_proof(tmp_path, f"other: {{recipe: clip, start: {said}}}"), "clip").proof
    assert found.arms["other"].given == given


def test_overrides_stay_as_they_are_written_where_they_name_a_class(tmp_path):
    keep = "{class_path: components.curation.ops.keep.Keep, init_args: {where: words > 2}}"
    root = with_proof(tmp_path, f"other: {{recipe: clip, overrides: {{curation: {{ops: [{keep}]}}}}}}")
    found = load_card(root, "clip").proof.arms
    assert found["other"].overrides == {"curation": {"ops": [yaml.safe_load(keep)]}}
    assert found["clip"].overrides == {}


@pytest.mark.parametrize(
    ("start", "why"),
    [("{}", "must name one model"), ("{arm: clip, micro_clip: {}}", "must name one model"), ("{micro_clip: {patch: 7}}", "such as 8")],
)  # fmt: skip
def test_a_start_that_names_no_model_or_two_is_refused_with_its_line(tmp_path, start, why):
    root = with_proof(tmp_path, f"other: {{recipe: clip, start: {start}}}")
    with pytest.raises(ConfigError, match=rf"(?s)clip.yaml, line \d+: .*{why}"):
        load_card(root, "clip")


def with_proof(root: Path, arm: str) -> Path:
    """Write a workspace's recipe `clip`, with another arm in its proof."""
    folder = root / "components/recipes"
    folder.mkdir(parents=True)
    text = (REPOSITORY / "components/recipes/clip.yaml").read_text()
    assert "{clip: {recipe: clip}}" in text
    (folder / "clip.yaml").write_text(text.replace("{clip: {recipe: clip}}", f"{{clip: {{recipe: clip}}, {arm}}}"))
    (root / "params.yaml").write_text("overrides: {}\n")
    return root


def test_every_recipes_proof_names_recipes_that_are_there():
    for path in sorted((REPOSITORY / "components/recipes").glob("*.yaml")):
        proof = load_card(REPOSITORY, path.stem).proof
        for arm in proof.arms.values():
            assert load_recipe(REPOSITORY, arm.recipe, proof.scale).name == arm.recipe
        assert not proof.arms or path.stem in [arm.recipe for arm in proof.arms.values()]


def test_a_key_that_nothing_takes_is_told_with_its_line(tmp_path):
    folder = tmp_path / "components/recipes"
    folder.mkdir(parents=True)
    text = (REPOSITORY / "components/recipes/clip.yaml").read_text()
    assert "    seeds: [0, 1, 2]" in text
    (folder / "clip.yaml").write_text(text.replace("    seeds: [0, 1, 2]", "    sedes: [0, 1, 2]"))
    (tmp_path / "params.yaml").write_text("overrides: {}\n")
    with pytest.raises(ConfigError, match=r"clip.yaml, line \d+: .*'sedes'.*Did you mean seeds"):
        load_card(tmp_path, "clip")


def test_an_arm_may_override_what_names_a_class_which_stays_as_it_is_written():
    listed = load_card(REPOSITORY, "dreamlip").proof.arms["raw"].overrides["evaluation"]["evaluators"]
    assert listed == [{"class_path": "components.evaluation.grounding.Pointing", "init_args": {"ask": "text"}}]
