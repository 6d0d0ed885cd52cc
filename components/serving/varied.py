"""The encoders of a package, each in smaller numbers where that is worth it: asked with the package's own index, and its pictures where they are there.

Axes: N pictures of the index, L tokens, S pixels a side.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.contracts.errors import CapabilityError
from components.serving.encoders import PackageEncoders
from components.serving.held import held_pictures
from components.serving.package import Package
from components.serving.repository import PRECISION
from components.serving.variants import NAMES, Kind, Tried, tried, write_variant

MOST = 1_000  # pictures and texts that are asked


def vary(package: Package, graphs: Mapping[str, Path], kind: Kind, root: Path | None) -> tuple[str, ...]:
    """Put encoders in smaller numbers in the place of those in float32, and return what was measured, a sentence each.

    CapabilityError, with the same sentences, where none is worth it, and for a package without an index.

    Args:
        package: verified, with its index.
        graphs: `image_encoder` and `text_encoder` -> the file that is to be replaced.
        root: of the workspace that has the data; None where there is none, and then the image encoder stays.
    """
    if not package.searches:
        raise CapabilityError(
            f"{package.path} has no index, so what is lost by {NAMES[kind]} cannot be told. Export it without --variant."
        )
    with tempfile.TemporaryDirectory() as scratch:
        found = each_tried(package, graphs, kind, root, Path(scratch))
        for one in found:
            if one.is_offered:
                graph = graphs[f"{one.side}_encoder"]
                graph.write_bytes((Path(scratch) / f"{one.side}_encoder.onnx").read_bytes())
                _by_tensorrt(graph, kind)
    said = [str(one) for one in found]
    if len(found) < len(graphs):
        said.append(
            f"image encoder in {NAMES[kind]}: not offered; no picture of its index is here, so what is lost cannot be told"
        )
    if not any(one.is_offered for one in found):
        raise CapabilityError(f"{NAMES[kind]} is not offered on this machine, and nothing was kept. {'. '.join(said)}.")
    return tuple(said)


def each_tried(
    package: Package, graphs: Mapping[str, Path], kind: Kind, root: Path | None, scratch: Path
) -> list[Tried]:
    """Return what was measured of each encoder, the text's first, and write its variant into a folder; arguments as of `vary`. The image's is left out where no picture is here."""
    held = held_pictures(package, root, MOST) if root is not None else {}
    made = {name: scratch / f"{name}.onnx" for name in graphs}
    for name, graph in graphs.items():
        write_variant(kind, graph, made[name])
    found = [_text(package, graphs["text_encoder"], made["text_encoder"], kind)]
    if held:
        found.append(_image(package, graphs["image_encoder"], made["image_encoder"], kind, held))
    return found


def _by_tensorrt(graph: Path, kind: Kind) -> None:
    """Let TensorRT compute a graph of float16 in it, where it lies in a repository of Triton's; its answers there were measured by nobody here."""
    configuration = graph.parents[1] / "configs" / "tensorrt.pbtxt"
    if kind == "fp16" and configuration.exists():
        said = configuration.read_text(encoding="utf-8")
        configuration.write_text(said.replace(f'value: "{PRECISION}"', 'value: "FP16"'), encoding="utf-8")


def _text(package: Package, graph: Path, variant: Path, kind: Kind) -> Tried:
    texts, index = _texts(package), np.load(package.path / "index.npy", mmap_mode="r")
    asked = np.linspace(0, len(texts) - 1, min(MOST, len(texts))).astype(int)
    ids = PackageEncoders(package, 1).tokens([texts[at] for at in asked])
    return tried("text", kind, graph, variant, ids, np.asarray(index), texts[asked][:, None] == texts[None])


def _image(package: Package, graph: Path, variant: Path, kind: Kind, held: Mapping[int, bytes]) -> Tried:
    encoders, texts = PackageEncoders(package, 1), _texts(package)[list(held)]
    pixels = np.stack([encoders.pixels(data) for data in held.values()])
    return tried("image", kind, graph, variant, pixels, encoders.embed_text(list(texts)), texts[:, None] == texts[None])


def _texts(package: Package) -> np.ndarray:
    rows = pq.read_table(package.path / "index.parquet", columns=["text"])
    return np.array(rows["text"].to_pylist(), object)
