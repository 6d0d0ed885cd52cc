"""How well ALIP's weights tell raw texts that belong to another picture from those that are right, once it is trained.

    python -m tests.benchmarks.alip_gate WORKSPACE...

Each WORKSPACE has data/raw of scenes and a trained runs/alip, such as what `diptych prove alip --keep` leaves in .diptych/proofs/alip/alip-0.
The running means are taken as those of all pictures that were trained on, each with the texts that the arm reads. Prints one JSON object:
the share of pairs of a right and a swapped text in which the right one weighs more (AUC), and the mean weights.
"""

import argparse
import json
from pathlib import Path

import torch

from components.data.manifest import read_manifest
from components.data.rows.picked import picked
from components.data.selection import of_split, read_pool
from components.data.synthetic.truth import truth
from components.methods.alip import MADE, RAW
from components.objectives.signals.consistency import ConsistencyGates
from components.recipes.recipe import load_recipe
from components.recipes.trained import load_trained


def main() -> None:
    """Weigh, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspaces", nargs="+", type=Path)
    runs = {place.name: _told_apart(place) for place in parser.parse_args().workspaces}
    print(json.dumps({"bench": "alip_gate", "runs": runs}, indent=2))


def _told_apart(place: Path) -> dict[str, float]:
    pool = read_pool(of_split(read_manifest(place / "data/curated/alip/manifest.parquet"), "train"), place / "data/raw")
    texts = load_recipe(place, "alip", "laptop").training.texts
    raw, made = ([own[0] for own in picked(name, texts[name], pool.captions, pool.kinds).texts] for name in (RAW, MADE))
    model = load_trained(place / "runs/alip/pretrain")
    rows = [torch.from_numpy(one) for one in (model.pictures(pool.pictures), model.texts(raw), model.texts(made))]
    weights = ConsistencyGates(momentum=0.0)(*rows).raw_pair
    faults = {
        row["key"]: {text["fault"] for text in row["texts_true"] if text["kind"] in texts[RAW].kinds}
        for row in truth(place / "data/raw").select(["key", "texts_true"]).to_pylist()
    }
    swapped = torch.tensor(["swapped" in faults[key] for key in pool.keys])
    right, wrong = weights[~swapped], weights[swapped]
    return {
        "pairs": len(weights), "swapped": int(swapped.sum()), "auc": round(_above(right, wrong), 3),
        "mean_right": round(float(right.mean()), 3), "mean_swapped": round(float(wrong.mean()), 3),
        "ratio": round(float(wrong.mean() / right.mean()), 3),
    }  # fmt: skip


def _above(right: torch.Tensor, wrong: torch.Tensor) -> float:
    """Return how often a right one is above a wrong one, ties as half."""
    gap = right[:, None] - wrong
    return float(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())


if __name__ == "__main__":
    main()
