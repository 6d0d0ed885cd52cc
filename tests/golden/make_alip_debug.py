"""Write alip_debug.json: the first losses of the recipe `alip` at `debug` on coloured squares with two texts each.

    OMP_NUM_THREADS=1 python -m tests.golden.make_alip_debug

These numbers are our own, and guard what make_clip_debug.py says; the loss of a step is asked of cross-entropy, and the weights of
their definition, in tests/components/methods/test_alip.py.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch

from components.data.selection import Pool
from components.data.tokenizers import Vocabulary
from tests.golden.make_clip_debug import first_losses
from tests.squares import method_at_debug, square_pool


def told_twice() -> Pool:
    """Return the squares, a fifth of them with the name of another, and most with a second text that names the colour alone."""
    pool = square_pool()
    names = [texts[0] for texts in pool.captions]
    names[::5] = [*names[5::5], names[0]]
    made = [f"there is a {groups['category']} square" for groups in pool.groups]
    captions = [(name, *([text] if at % 7 else [])) for at, (name, text) in enumerate(zip(names, made, strict=True))]
    return replace(pool, captions=tuple(captions), kinds=tuple(("short", "rewritten")[: len(its)] for its in captions))


def main() -> None:
    """Train and write."""
    vocabulary = Vocabulary.train([text for texts in square_pool().captions for text in texts], size=300, context=12)
    losses = first_losses(method_at_debug(vocabulary, "alip"), vocabulary, name="alip", pool=told_twice())
    golden = {"torch": torch.__version__, "losses": losses}
    Path(__file__).with_name("alip_debug.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
