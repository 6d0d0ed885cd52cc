"""The files of a trained model, by name: what stages hand to one another and a package carries."""

WEIGHTS = "weights.safetensors"
MODEL = "model.json"  # class_path and init_args of what the weights are of
TOKENIZER = "tokenizer.json"
TRANSFORMS = "transforms.json"
MODEL_FILES = (WEIGHTS, MODEL, TOKENIZER, TRANSFORMS)
