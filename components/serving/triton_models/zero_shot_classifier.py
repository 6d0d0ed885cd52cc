"""Triton model: a picture to the likeliest of some labels, the package's own or those of the request.

The picture goes through image_preprocess and image_encoder, prompts through embed_text, as for every client; the
exporter lays classification.py, prompt_cache.py, inner_request.py and the package's labels beside this file.
Axes: L labels, T templates, P prompts, V vectors, D embedding width, K answers.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from classification import (  # type: ignore[import-not-found]
    MAX_PROMPTS,
    BadLabels,
    check_labels,
    check_templates,
    label_vectors,
    prompts_of,
    ranked,
)
from inner_request import BadRequest, ask, encoded, fault, texts_of, top_k_of  # type: ignore[import-not-found]
from prompt_cache import PromptCache  # type: ignore[import-not-found]

MAX_BATCH = 32  # max_batch_size of embed_text

# How image_preprocess begins what it refuses: Triton hands its errors to other models without their code, and a dead
# stub of it must not be taken for a broken picture.
REFUSED = "picture 0: "


class TritonPythonModel:
    """Takes `image` bytes [1] and optionally `labels` [L], `templates` [T], `top_k` [1].

    Gives `names` and `scores` [K], best first, and `encoded` [1]: how many prompts were new and had to be encoded.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Read the package's own labels, of which there may be none."""
        folder = Path(args["model_repository"], args["model_version"])
        about = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        counts = about.get("counts", [1] * len(about["labels"]))  # packages of before had one vector a label
        rows = np.split(np.load(folder / "labels.npy"), np.cumsum(counts)[:-1]) if counts else []
        self.own: dict[str, np.ndarray] = dict(zip(about["labels"], rows, strict=True))
        self.templates: list[str] = about["templates"]
        self.logit_scale: float = about["logit_scale"]
        self.own_scale: float = self.logit_scale * about.get("sharpness", 1.0)
        self.cache = PromptCache(capacity=MAX_PROMPTS)

    async def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [await self.answer(request) for request in requests]

    async def answer(self, request: Any) -> Any:
        """Return the likeliest labels, or an error that names no file of ours."""
        try:
            labels, templates, top_k = self.question(request)
            picture = await embed_picture(pb.get_input_tensor_by_name(request, "image").as_numpy().reshape(1, 1))
            scale, vectors, counts, new = await self.vectors(labels, templates)
        except Exception as err:
            return fault(err)
        best, scores = ranked(picture, vectors, scale, top_k, counts)
        return pb.InferenceResponse(
            [
                pb.Tensor("names", encoded(labels[place] for place in best)),
                pb.Tensor("scores", scores),
                pb.Tensor("encoded", np.array([new], np.int32)),
            ]
        )

    def question(self, request: Any) -> tuple[list[str], list[str] | None, int]:
        """Return labels, templates (None: those of the package) and how many answers; BadRequest when they are no good."""
        labels, templates = texts_of(request, "labels"), texts_of(request, "templates")
        if labels is None and not self.own:
            raise BadRequest(
                "the model has no labels of its own, since its data has none; "
                "give some, such as: diptych ask --image my.png --labels cat,dog"
            )
        try:
            if labels is not None:
                check_labels(labels)
            asked = list(self.own) if labels is None else labels
            if templates is not None:
                check_templates(templates, len(asked))
            else:
                check_templates(self.templates, sum(label not in self.own for label in asked))
        except BadLabels as err:
            raise BadRequest(str(err)) from err
        return asked, templates, top_k_of(request, "labels")

    async def vectors(self, labels: list[str], templates: list[str] | None) -> tuple[float, np.ndarray, list[int], int]:
        """Return the scale, float32 [V D], how many each label has, and how many prompts were encoded: none for own labels.

        Own labels have all vectors that the package has of them, and the scale that goes with these; beside others, whose
        prompts are fewer, only their mean, or the more prompts would take the larger share.
        """
        known = self.own if templates is None else {}
        templates = self.templates if templates is None else templates
        other = [label for label in labels if label not in known]
        if not other:
            rows = np.concatenate([known[label] for label in labels])
            return self.own_scale, rows, [len(known[label]) for label in labels], 0
        rows, new = await self.cache.rows(prompts_of(other, templates), embed_texts)
        found = {label: label_vectors(known[label], len(known[label]))[0] for label in labels if label in known}
        found |= zip(other, label_vectors(rows, len(templates)), strict=True)
        return self.logit_scale, np.stack([found[label] for label in labels]), [1] * len(labels), new


async def embed_picture(picture: np.ndarray) -> np.ndarray:
    """Return float32 [D] of one picture, [1 1]; BadRequest when it is none."""
    try:
        pixels = await ask("image_preprocess", "image", picture, "pixel_values")
    except RuntimeError as err:
        if str(err).startswith(REFUSED):
            raise BadRequest(str(err).removeprefix(REFUSED)) from err
        raise
    return (await ask("image_encoder", "pixel_values", pixels, "image_embeds"))[0]


async def embed_texts(prompts: list[str]) -> np.ndarray:
    """Return float32 [P D], by the ensemble that clients use too."""
    texts = encoded(prompts).reshape(-1, 1)
    parts = [texts[start : start + MAX_BATCH] for start in range(0, len(texts), MAX_BATCH)]
    return np.concatenate([await ask("embed_text", "text", part, "text_embeds") for part in parts])
