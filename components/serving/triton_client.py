"""Ask a server: pictures and texts to embeddings, a text to its nearest pictures, a picture to its likeliest labels.

HTTP, not gRPC: tensors travel as bytes on both, HTTP costs 0.2 s of import (gevent) and no C runtime with threads of
its own, which would not survive the forks of data loaders, and any curl can say what went wrong.
Axes: N samples, D embedding width.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from gevent import get_hub
from tritonclient import http
from tritonclient.utils import InferenceServerException

from components.contracts.errors import CapabilityError, TransientError
from components.serving.errors import NotServed, RequestRefused, ServerFailed

MAX_BATCH = 32  # max_batch_size of the served models
CLASSIFIER = "zero_shot_classifier"
EMBEDDING = ("embed_image", "embed_text")
WRAPPING = re.compile(r"^(\[request id: [^]]*\] |in ensemble '[^']*', )+|\s*Stacktrace:.*", re.DOTALL)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer of a search; the score is a cosine, -1 to 1, or None where words alone were asked.

    The name is its owner's, in an index of one's own; empty elsewhere.
    """

    key: str
    text: str
    source: str
    score: float | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """One label for a picture; the score is its share of a softmax over all labels that were asked, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The answer about one picture.

    Args:
        labels: the likeliest, best first.
        encoded: how many prompts the server had not met before and had to encode; 0 when all were cached.
    """

    labels: tuple[LabelScore, ...]
    encoded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a server says of its two encoders.

    Args:
        digest: of the package that answers; empty where it does not say.
        width: D, of both.
        batch: most samples of a request.
    """

    digest: str
    width: int
    batch: int


class TritonClient:
    """One connection to one server. Not for several threads at once: give each its own.

    Args:
        address: host:port of the HTTP endpoint.
        timeout_s: seconds to wait for the connection, and for each answer.
    """

    def __init__(self, address: str, *, timeout_s: float = 30.0) -> None:
        self.address = address
        get_hub().NOT_ERROR = (BaseException,)  # or gevent prints what a signal handler raises, besides raising it here
        self._http = http.InferenceServerClient(address, connection_timeout=timeout_s, network_timeout=timeout_s)

    def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures, rows of unit length; RequestRefused names a broken one."""
        return self._embed("embed_image", "image", list(images))

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts, rows of unit length."""
        return self._embed("embed_text", "text", [bytes_of(text) for text in texts])

    def search(self, text: str, top_k: int = 10, where: Mapping[str, Sequence[str]] | None = None) -> list[Hit]:
        """Return the pictures of the index nearest to `text`, best first; fewer than `top_k` in a small index.

        Args:
            where: column -> values, one of which a picture must have; RequestRefused for a column that the package has not.
        """
        inputs = [tensor_of("text", [bytes_of(text)], (1,)), count_of(top_k, "pictures")]
        if where:
            said = json.dumps({name: list(values) for name, values in where.items()})
            inputs.append(tensor_of("filter", [said.encode()], (1,)))
        answer = self._infer("image_retrieval", inputs)
        columns = (answer.as_numpy(name) for name in ("keys", "texts", "sources", "scores"))
        return [
            Hit(key=key.decode(), text=name.decode(), source=source.decode(), score=float(score))
            for key, name, source, score in zip(*columns, strict=True)
        ]

    def classify(
        self,
        image: bytes,
        labels: Sequence[str] | None = None,
        templates: Sequence[str] | None = None,
        top_k: int = 10,
    ) -> Classified:
        """Return the likeliest labels of an encoded picture, best first; fewer than `top_k` of a few labels.

        Args:
            image: encoded picture.
            labels: what to choose from; the package's own unless given, which it has where its data is labelled.
            templates: sentences with {} for the label, whose embeddings are averaged; the package's unless given.
            top_k: how many labels, 1 to 1,000.

        RequestRefused says what is wrong with picture, labels or templates, or that the package cannot classify.
        """
        inputs = classification_of(image, labels, templates, top_k)
        try:
            answer = self._infer(CLASSIFIER, inputs)
        except RequestRefused as err:
            if self.classifies():
                raise
            raise RequestRefused(
                "The served package was made before packages had what pictures are classified with. "
                "Package it again: dvc repro, then make run."
            ) from err
        return classified(answer)

    def classifies(self) -> bool:
        """Return whether the server has the classifier, which it has for every package with labels.json."""
        return self._ready(CLASSIFIER)

    def metadata(self) -> dict[str, Any]:
        """Return what the server says of itself: name, version, extensions."""
        return dict(self._ask("the server", self._http.get_server_metadata))

    def package_digest(self) -> str:
        """Return the digest of the package that answers, as the server has it."""
        return str(self._config("embed_image")["parameters"]["package_digest"]["string_value"])

    def offer(self) -> Offer:
        """Return what there is to encode with.

        Raises NotServed where a model is not there or not ready, CapabilityError where the two give no vectors of one width.
        """
        configs = []
        for model in EMBEDDING:
            if not self._ready(model):
                raise NotServed(
                    f"{model} at {self.address} is not there, or not ready, so nothing can be encoded. Its log says why; a server of `make run` has "
                    f"{' and '.join(EMBEDDING)}."
                )
            configs.append(self._config(model))
        widths = [int(config["output"][0]["dims"][-1]) for config in configs]
        if len(set(widths)) > 1 or widths[0] < 1:
            raise CapabilityError(
                f"{' and '.join(EMBEDDING)} at {self.address} give vectors of {widths[0]} and {widths[1]} numbers, which cannot be compared. Serve both of "
                "one model."
            )
        digest = configs[0].get("parameters", {}).get("package_digest", {}).get("string_value", "")
        return Offer(
            digest=digest,
            width=widths[0],
            batch=min(max(int(config.get("max_batch_size", 0)), 1) for config in configs),
        )

    def _ready(self, model: str) -> bool:
        return bool(self._ask(model, lambda: self._http.is_model_ready(model)))

    def _config(self, model: str) -> dict[str, Any]:
        return dict(self._ask(model, lambda: self._http.get_model_config(model)))

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> "TritonClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _embed(self, model: str, name: str, samples: list[bytes]) -> np.ndarray:
        if not samples:
            raise RequestRefused(f"{model} was asked for no {name} at all; give at least one.")
        parts = []
        for start in range(0, len(samples), MAX_BATCH):
            part = samples[start : start + MAX_BATCH]
            answer = self._infer(model, [tensor_of(name, part, (len(part), 1))], start)
            parts.append(answer.as_numpy(f"{name}_embeds"))
        return np.concatenate(parts)

    def _infer(self, model: str, inputs: list[http.InferInput], first: int = 0) -> http.InferResult:
        return self._ask(model, lambda: self._http.infer(model, inputs), first)

    def _ask(self, model: str, call: Callable[[], T], first: int = 0) -> T:
        """Return the answer, or one sentence for what went wrong; `first` is the place of the first sample sent."""
        try:
            return call()
        except InferenceServerException as err:
            raise fault_of(err, model, self.address, first) from err
        except (OSError, EOFError, HTTPException) as err:  # nobody there, or one that ended while it answered
            raise TransientError(
                f"The server at {self.address} does not answer ({type(err).__name__}: {err}). "
                "`diptych status` says whether it runs."
            ) from err


def fault_of(err: InferenceServerException, model: str, address: str, first: int = 0) -> RequestRefused | ServerFailed:
    """Return what a server's fault means, in one sentence without its wrapping; `first` is the place of the first sample sent."""
    message = WRAPPING.sub("", str(err.message() or "no reason given")).strip(" .\n")
    if str(err.status() or "").startswith("4"):
        counted = f" (counted from {first})" if first else ""
        return RequestRefused(f"{model} refused the request: {message}{counted}.")
    return ServerFailed(f"{model} at {address} failed: {message}.")


def classification_of(
    image: bytes, labels: Sequence[str] | None, templates: Sequence[str] | None, top_k: int
) -> list[http.InferInput]:
    """Return the inputs of a classification; RequestRefused for a list that is empty, which Triton would not tell from none sent."""
    inputs = [tensor_of("image", [image], (1,)), count_of(top_k, "labels")]
    for name, texts in (("labels", labels), ("templates", templates)):
        if texts is not None:
            if not texts:
                raise RequestRefused(f"{CLASSIFIER} was given no {name} at all; give at least one, or leave them out.")
            inputs.append(tensor_of(name, [bytes_of(text) for text in texts], (len(texts),)))
    return inputs


def classified(answer: http.InferResult) -> Classified:
    """Return what the classifier said."""
    names, scores, encoded = (answer.as_numpy(name) for name in ("names", "scores", "encoded"))
    found = (LabelScore(label=name.decode(), score=float(score)) for name, score in zip(names, scores, strict=True))
    return Classified(labels=tuple(found), encoded=int(encoded[0]))


def bytes_of(text: str) -> bytes:
    """Return the text as it is sent; what is no Unicode is for the server to refuse."""
    return text.encode("utf-8", "surrogatepass")


def count_of(top_k: int, what: str) -> http.InferInput:
    """Return the input that says how many answers are wanted; RequestRefused for a number that no server could read."""
    count = http.InferInput("top_k", [1], "INT32")
    try:
        count.set_data_from_numpy(np.array([top_k], np.int32))
    except OverflowError as err:
        raise RequestRefused(f"top_k is {top_k}; ask for 1 to 1,000 {what}.") from err
    return count


def tensor_of(name: str, samples: list[bytes], shape: tuple[int, ...]) -> http.InferInput:
    """Return an input of bytes in that shape."""
    tensor = http.InferInput(name, list(shape), "BYTES")
    tensor.set_data_from_numpy(np.array(samples, dtype=object).reshape(shape))
    return tensor
