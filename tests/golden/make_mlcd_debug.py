"""Write mlcd_debug.json: the first losses of the recipe `mlcd` at `debug` on coloured squares.

    OMP_NUM_THREADS=1 python -m tests.golden.make_mlcd_debug

These numbers are our own, and guard what make_clip_debug.py says; what its loss and rows give is asked of torch in theirs.
"""

import json
from pathlib import Path

import torch

from components.data.tokenizers import Vocabulary
from tests.golden.make_clip_debug import first_losses
from tests.squares import method_at_debug, square_pool


def main() -> None:
    """Train and write."""
    vocabulary = Vocabulary.train([text for texts in square_pool().captions for text in texts], size=300, context=12)
    losses = first_losses(method_at_debug(vocabulary, "mlcd"), vocabulary, name="mlcd")
    golden = {"torch": torch.__version__, "losses": losses}
    Path(__file__).with_name("mlcd_debug.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
