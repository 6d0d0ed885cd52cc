"""What is served is what was measured: the server against the package, from raw bytes and raw text.

The package's side runs here, in process: its ONNX graphs on onnxruntime, its transforms.json, its tokenizer.json.
The served side goes the whole way: HTTP, Triton's preprocessing and tokenizer models, the encoders, the search.
Axes: N samples, D embedding width.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.serving.classification import label_vectors, prompts_of, ranked
from components.serving.encoders import PackageEncoders
from components.serving.errors import ParityFailed, RequestRefused
from components.serving.labels import Labels
from components.serving.odd_samples import broken_pictures, odd_pictures, odd_texts
from components.serving.package import Package
from components.serving.triton_client import LabelScore, TritonClient

MINIMUM = 0.9999
SCORE_TOLERANCE = 1e-3  # of a cosine; what 0.9999 between embeddings leaves of it, for rows that are not far apart
TOP_K = 5
ASKED_ALONE = 10
MAX_SEARCHES = 3
SHARE_TOLERANCE = 0.01  # of a share of a softmax, which turns the last digits of a cosine into more
OTHER_LABELS, OTHER_TEMPLATES = ("a heart", "a house", "rouge"), ("{}", "a picture of {}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was compared, and the least cosine of each kind."""

    pictures: int
    texts: int
    worst_picture: float
    worst_text: float


def check_parity(
    client: TritonClient, package: Package, pictures: Sequence[bytes], texts: Sequence[str], minimum: float = MINIMUM
) -> Parity:
    """Compare embeddings of the given samples, and of generated odd ones, then search, classify, send broken bytes.

    Raises ParityFailed, naming the worst sample and its cosine, when one is below `minimum`.
    """
    named_pictures = {f"picture {i}": data for i, data in enumerate(pictures)} | odd_pictures()
    named_texts = {f"text {i}": text for i, text in enumerate(texts)} | odd_texts()
    own = PackageEncoders(package)
    own_texts = own.embed_text(list(named_texts.values()))
    worst_picture = _compare(
        "embed_image",
        list(named_pictures),
        client.embed_image(list(named_pictures.values())),
        own.embed_image(list(named_pictures.values())),
        minimum,
    )
    worst_text = _compare(
        "embed_text", list(named_texts), client.embed_text(list(named_texts.values())), own_texts, minimum
    )
    _check_search(client, package, list(named_texts.values())[:MAX_SEARCHES], own_texts[:MAX_SEARCHES])
    if package.classifies:
        few = dict(list(odd_pictures().items())[:MAX_SEARCHES])
        _check_classes(client, package, {**few, **dict(list(named_pictures.items())[: len(pictures)])}, own)
    _check_refusals(client)
    return Parity(
        pictures=len(named_pictures), texts=len(named_texts), worst_picture=worst_picture, worst_text=worst_text
    )


def check_latency(client: TritonClient, pictures: Sequence[bytes], texts: Sequence[str], most_ms: float) -> float:
    """Return the milliseconds that one text, or one picture, takes by itself: the larger middle of ten of each.

    Raises ParityFailed where that is more than `most_ms`.
    """
    worst = 0.0
    asked: tuple[tuple[str, Sequence[Any], Callable[[Any], object]], ...] = (
        ("text", texts or list(odd_texts().values()), lambda text: client.embed_text([text])),
        ("picture", pictures or list(odd_pictures().values()), lambda picture: client.embed_image([picture])),
    )
    for what, samples, ask in asked:
        took = []
        for sample in samples[:ASKED_ALONE]:
            began = time.perf_counter()
            ask(sample)
            took.append(1e3 * (time.perf_counter() - began))
        middle = statistics.median(took)
        if middle > most_ms:
            raise ParityFailed(
                f"one {what} takes {middle:.0f} ms by itself, and deploy.latency_ms allows {most_ms:g}. Traffic was not moved."
            )
        worst = max(worst, middle)
    return worst


def _compare(model: str, names: list[str], served: np.ndarray, own: np.ndarray, minimum: float) -> float:
    """Return the least cosine of rows [N D]; ParityFailed when it is below `minimum`, or no number at all."""
    if served.shape != own.shape:
        raise ParityFailed(f"{model} gives {served.shape}, the package {own.shape}. Traffic was not moved.")
    served, own = served.astype(np.float64), own.astype(np.float64)
    lengths = np.linalg.norm(served, axis=1) * np.linalg.norm(own, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.nan_to_num((served * own).sum(axis=1) / lengths, nan=-1.0)
    worst = int(cosines.argmin())
    if cosines[worst] < minimum:
        raise ParityFailed(
            f"{model} differs from the package: '{names[worst]}' has a cosine of {cosines[worst]:.6f}, and at least "
            f"{minimum} is asked for; {int((cosines < minimum).sum())} of {len(names)} samples are below. Traffic was "
            "not moved. Compare the versions of pillow, tokenizers and onnxruntime in .venv and .venv-serving first."
        )
    return float(cosines[worst])


def _check_search(client: TritonClient, package: Package, texts: list[str], own: np.ndarray) -> None:
    """Raise ParityFailed unless the served scores are those of the package's index; ties may come in any order."""
    index = np.load(package.path / "index.npy", mmap_mode="r")
    for text, query in zip(texts, own, strict=True):
        expected = np.sort(index @ query)[::-1][:TOP_K]
        found = np.array([hit.score for hit in client.search(text, TOP_K)])
        if found.shape != expected.shape or not np.allclose(found, expected, atol=SCORE_TOLERANCE, rtol=0):
            raise ParityFailed(
                f"image_retrieval scores {np.round(found, 4).tolist()} for '{text[:40]}', the package's index "
                f"{np.round(expected, 4).tolist()}. Traffic was not moved."
            )


def _check_classes(client: TritonClient, package: Package, pictures: dict[str, bytes], own: PackageEncoders) -> None:
    """Raise ParityFailed unless the served shares are those of the package, for its labels and for others."""
    labels = Labels.read(package.path)
    others = label_vectors(own.embed_text(prompts_of(OTHER_LABELS, OTHER_TEMPLATES)), len(OTHER_TEMPLATES))
    for (name, data), image in zip(pictures.items(), own.embed_image(list(pictures.values())), strict=True):
        found = client.classify(data, OTHER_LABELS, OTHER_TEMPLATES, TOP_K).labels
        _compare_shares(name, found, OTHER_LABELS, *ranked(image, others, labels.logit_scale, len(others)))
        if labels.labels:
            found, scale = client.classify(data, top_k=TOP_K).labels, labels.logit_scale * labels.sharpness
            shares = ranked(image, labels.vectors, scale, len(labels.labels), labels.counts)
            _compare_shares(name, found, labels.labels, *shares)


def _compare_shares(
    picture: str, found: Sequence[LabelScore], labels: Sequence[str], places: np.ndarray, shares: np.ndarray
) -> None:
    """Compare the best served answers with all of the package's, best first; near ties may come in any order."""
    own = {labels[place]: float(share) for place, share in zip(places, shares, strict=True)}
    served = [answer.score for answer in found]
    best, those = list(own.values())[:TOP_K], [own.get(answer.label, -1.0) for answer in found]
    if not (_agree(served, best) and _agree(served, those)):
        raise ParityFailed(
            f"zero_shot_classifier says of '{picture}' {_told(found)}; the package gives its best labels "
            f"{np.round(best, 4).tolist()}, and those {np.round(those, 4).tolist()}. Traffic was not moved."
        )


def _told(found: Sequence[LabelScore]) -> str:
    return ", ".join(f"{answer.label} {answer.score:.4f}" for answer in found)


def _agree(served: Sequence[float], own: Sequence[float]) -> bool:
    return len(served) == len(own) and np.allclose(served, own, atol=SHARE_TOLERANCE, rtol=0)


def _check_refusals(client: TritonClient) -> None:
    """Raise ParityFailed unless broken bytes are refused, without a path of the server in the answer."""
    for name, data in broken_pictures().items():
        try:
            client.embed_image([data])
        except RequestRefused as err:
            if "/" in str(err) or "Traceback" in str(err):
                raise ParityFailed(f"embed_image tells about its files when it refuses '{name}': {err}") from err
        else:
            raise ParityFailed(f"embed_image takes '{name}' for a picture. Traffic was not moved.")
