"""A package, and a running server, as the encoder that evaluators measure: what training gave and what clients get, by the same numbers.

Axes: N pictures or texts, D width of the shared space.
"""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import NoReturn, TypeVar

import numpy as np
from jaxtyping import Float

from components.contracts.errors import CapabilityError, DataError, TransientError
from components.contracts.evaluator import Space
from components.contracts.progress import Progress, silent
from components.data.transforms.preprocess import BadImage
from components.serving.encoders import PackageEncoders
from components.serving.errors import BadPicture, RequestRefused
from components.serving.labels import Labels
from components.serving.package import Package
from components.serving.triton_client import Offer, TritonClient

T = TypeVar("T")
SCALE = 100.0  # of a softmax where nobody says the learned one, as CLIP_benchmark has it; it moves shares, and no order


class MeasuredPackage:
    """The two encoders of a package, in this process.

    Args:
        package: verified.
        batch: pictures or texts encoded at once.
        threads: that compute at once; 0 for as many as there are cores.
    """

    def __init__(self, package: Package, batch: int, threads: int = 0) -> None:
        self.batch = batch
        self._encoders = PackageEncoders(package, threads)
        self._scale = Labels.read(package.path).logit_scale if package.classifies else SCALE

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with before a softmax, as it was learned."""
        return self._scale

    def pictures(
        self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = ""
    ) -> Float[np.ndarray, "N D"]:
        """Return unit rows; BadPicture for one that cannot be decoded."""
        rows = []
        for start, part in _parts(pictures, self.batch):
            shown = [self._pixels(data, start + place) for place, data in enumerate(part)]
            rows.append(self._encoders.embed_pixels(np.stack(shown)))
            progress(doing or "encoding pictures", start + len(part), len(pictures))
        return unit(np.concatenate(rows), "picture", "the package")

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return unit rows."""
        parts = [self._encoders.embed_text(list(part)) for _, part in _parts(texts, self.batch)]
        return unit(np.concatenate(parts), "text", "the package")

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> dict[Space, np.ndarray]:
        """Return unit rows of the shared space; CapabilityError where features are asked for, which no package gives."""
        return _pooled_alone(spaces, lambda: self.pictures(pictures, progress, doing))

    def _pixels(self, data: bytes, place: int) -> np.ndarray:
        try:
            return self._encoders.pixels(data)
        except BadImage as err:
            raise BadPicture(place, str(err)) from err


class MeasuredServer:
    """A running Triton that has `embed_image` and `embed_text`.

    Args:
        address: host:port of its HTTP endpoint.
        batch: pictures or texts of a request; fewer where the server takes no more.

    Raises TransientError where nobody answers, NotServed where a model is not ready, CapabilityError where the two models have no width in common.
    """

    def __init__(self, address: str, batch: int) -> None:
        self._client = TritonClient(address)
        try:
            self.offer: Offer = self._client.offer()
        except BaseException:
            self._client.close()
            raise
        self.address, self.batch = address, min(batch, self.offer.batch)

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with before a softmax: 100, as no server says the learned scale."""
        return SCALE

    def pictures(
        self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = ""
    ) -> Float[np.ndarray, "N D"]:
        """Return unit rows; BadPicture for one that the server refuses, TransientError where it is gone."""
        rows = []
        for start, part in _parts(pictures, self.batch):
            try:
                rows.append(self._answered(self._client.embed_image, part, start, len(pictures), "picture"))
            except RequestRefused as err:
                self._refused(part, start, err)
            progress(doing or "encoding pictures", start + len(part), len(pictures))
        return unit(np.concatenate(rows), "picture", f"embed_image at {self.address}")

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return unit rows; errors as of pictures, but RequestRefused for a text."""
        parts = [
            self._answered(self._client.embed_text, part, start, len(texts), "text")
            for start, part in _parts(texts, self.batch)
        ]
        return unit(np.concatenate(parts), "text", f"embed_text at {self.address}")

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> dict[Space, np.ndarray]:
        """Return unit rows of the shared space; CapabilityError where features are asked for, which no server gives."""
        return _pooled_alone(spaces, lambda: self.pictures(pictures, progress, doing))

    def check_same(self) -> None:
        """Raise DataError when another model has been deployed there since: numbers would be of two models."""
        now = self._client.offer()
        if now != self.offer:
            raise DataError(
                f"another model was deployed at {self.address} while it was measured (package {self.offer.digest[:12] or 'unknown'}, now "
                f"{now.digest[:12] or 'unknown'}), so the rows are of two models and no number is kept. Measure it again."
            )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def __enter__(self) -> "MeasuredServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answered(
        self, ask: Callable[[Sequence[T]], np.ndarray], part: Sequence[T], start: int, count: int, what: str
    ) -> np.ndarray:
        """Return the rows of one request; says how far it had come where the server is gone."""
        try:
            rows = ask(part)
        except TransientError as err:
            raise TransientError(
                f"after {start:,} of {count:,} {what}s: {err} Sets that were measured are kept in the folder of --to. With the server back, "
                "the same command goes on with this one."
            ) from err
        if rows.shape != (len(part), self.offer.width):
            raise CapabilityError(
                f"{self.address} promised {self.offer.width} numbers a {what} and gave {rows.shape} for {len(part)}. Nothing can be ranked by "
                "these. Look at the model's config.pbtxt."
            )
        return rows

    def _refused(self, part: Sequence[bytes], start: int, err: RequestRefused) -> NoReturn:
        """Raise BadPicture for the first of a request that is refused by itself, or what the request was refused for."""
        for place, data in enumerate(part):
            try:
                self._client.embed_image([data])
            except RequestRefused as its:
                raise BadPicture(start + place, str(its).rstrip(".")) from err
        raise err


class Undrawn:
    """What an untrained model of the same architecture would be, were it known: CapabilityError for whatever it is asked."""

    logit_scale = SCALE

    def pictures(self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = "") -> NoReturn:
        """Say why there are none."""
        raise CapabilityError(
            "what is packaged says nothing of its architecture, so there is no untrained model to compare it with. Measure the model's folder, such as "
            "runs/clip/finetune."
        )

    def texts(self, texts: Sequence[str]) -> NoReturn:
        """Say why there are none."""
        self.pictures(())

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> NoReturn:
        """Say why there are none."""
        self.pictures(())


def unit(rows: Float[np.ndarray, "N D"], what: str, whose: str) -> Float[np.ndarray, "N D"]:
    """Return the same rows, float32, of unit length; DataError for rows that are no numbers, or of no length."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0)))
    if len(wrong):
        raise DataError(
            f"{whose} gives no direction for {len(wrong):,} of {len(rows):,} {what}s, the first of which is number {wrong[0]} (from 0): numbers that are "
            "none, or all zero. Ranks would mean nothing. Look at the weights, and at its precision."
        )
    return (rows / lengths).astype(np.float32)


def _pooled_alone(spaces: Sequence[Space], pooled: Callable[[], np.ndarray]) -> dict[Space, np.ndarray]:
    if set(spaces) - {"pooled"}:
        raise CapabilityError(
            "what is packaged gives the shared space alone, not the features before it. Measure these of the model's folder."
        )
    return {"pooled": pooled()} if spaces else {}


def _parts(samples: Sequence[T], batch: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Yield so many at a time, with the place of the first."""
    for start in range(0, len(samples), batch):
        yield start, samples[start : start + batch]
