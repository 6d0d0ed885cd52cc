"""Claims in numbers, read from a recipe's card: what they say, and what says nothing."""

from pathlib import Path

import pytest

from components.contracts.errors import ConfigError
from components.recipes.proof import Arm, Claim, Proof
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
        ({"against": "clip", "towards": "other"}, "a.b of clip, of the way from clip to other, at least 2"),
        ({"against": "other", "at_least": None, "at_most": 0.5}, "a.b of clip against other, difference at most 0.5"),
    ],
)
def test_a_claim_reads_as_a_sentence(changed, said):
    assert str(claim(**changed)) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"claims": (claim(arm="clop"),)}, "name the arm 'clop', but there are clip, other"),
        ({"claims": (claim(against="clop"),)}, "name the arm 'clop'"),
        ({"claims": (claim(against="other", towards="clop"),)}, "name the arm 'clop'"),
        ({"claims": (claim(against="clip", towards="other", by="ratio"),)}, "Leave by out"),
        ({"claims": (claim(towards="other"),)}, "towards other from nowhere"),
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
