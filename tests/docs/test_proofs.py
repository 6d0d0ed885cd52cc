"""docs/proofs.md against the code: its example is one that a card takes."""

import re
from pathlib import Path

import yaml

from components.recipes.proof import Proof
from components.recipes.section import build

PAGE = (Path(__file__).parents[2] / "docs/proofs.md").read_text(encoding="utf-8")


def test_the_example_is_a_proof():
    (said,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    proof = build(yaml.safe_load(said)["card"]["proof"], Proof)
    assert [str(claim) for claim in proof.claims] == [
        "retrieval.pair.image_to_text.recall_at_1 of clip against chance, ratio at least 10",
        "retrieval.pair.image_to_text.recall_at_1 of higher against clip, difference at least 0.02",
    ]
