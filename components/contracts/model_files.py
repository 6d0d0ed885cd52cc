"""The files of a trained model and of its evaluation, by name: what stages hand to one another and a package carries."""

from pathlib import Path

from components.contracts.sealed import digest_of, sha256_of

WEIGHTS = "weights.safetensors"
MODEL = "model.json"  # class_path and init_args of what the weights are of
TOKENIZER = "tokenizer.json"
TRANSFORMS = "transforms.json"
MODEL_FILES = (WEIGHTS, MODEL, TOKENIZER, TRANSFORMS)
LICENCES = "licences.json"  # of an evaluation: of the pictures trained on -> how many
REPLAYED = "replayed.parquet"  # beside a tuned model: the rows of what its start learnt from that it learnt from again
ADAPTED = "adapted.json"  # beside a model that is the best of several tunings: what raced, and what was taken
AGAINST = "against_start.json"  # of its evaluation: how far it is from what it was
COMPATIBLE = "compatible.json"  # beside a model that was laid in: which version it is, and the space of its index


def model_digest(folder: Path) -> str:
    """Return the sha256 over names and bytes of the files of a model, by which a start is known; OSError where one is missing."""
    return digest_of({name: sha256_of(folder / name) for name in MODEL_FILES})
