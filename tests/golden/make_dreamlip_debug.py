"""Write dreamlip_debug.json: the first losses of the recipe `dreamlip` at `debug` on coloured squares that are told at length.

    OMP_NUM_THREADS=1 python -m tests.golden.make_dreamlip_debug

These numbers are our own, and guard what make_clip_debug.py says; the terms are asked of torch and of loops in their own tests.
"""

import json
from pathlib import Path

import torch

from components.data.tokenizers import Vocabulary
from tests.golden.make_clip_debug import first_losses
from tests.squares import method_at_debug, square_pool, told_at_length


def main() -> None:
    """Train and write."""
    vocabulary = Vocabulary.train([text for texts in square_pool().captions for text in texts], size=300, context=12)
    method = method_at_debug(vocabulary, "dreamlip")
    losses = first_losses(method, vocabulary, name="dreamlip", pool=told_at_length(square_pool()))
    golden = {"torch": torch.__version__, "losses": losses}
    Path(__file__).with_name("dreamlip_debug.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
