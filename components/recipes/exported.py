"""A model out again: as open_clip or transformers reads it, as two ONNX graphs, or as a repository of Triton. Checked before it has its name.

Axes: N rows, S pixels a side, D shared width.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch

from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.contracts.model_files import ADAPTED, MODEL, TOKENIZER, TRANSFORMS
from components.contracts.sealed import MANIFEST
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.recipes.given_model import PACKED, read_given
from components.recipes.interop import Moved, moved, pixels_of, whole_folder, write_theirs
from components.recipes.read_there import PACKAGES, ask, reader_of
from components.recipes.their_files import Library
from components.serving.export import TEXTS, compare, export
from components.serving.labels import LABEL_FILES, Labels, measured_labels
from components.serving.pack import seal
from components.serving.package import Package
from components.serving.repository import write_repository
from components.serving.variants import NAMES, Kind
from components.serving.varied import vary

To = Literal["open_clip", "hf", "onnx", "triton"]
LIBRARIES: dict[To, Library] = {"open_clip": "open_clip", "hf": "huggingface"}
TOLERANCE = 1e-5  # most that a number of a unit row may differ from ours
OPSET = 18
ENCODERS = ("image_encoder", "text_encoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Args:
        model: what it holds, and where.
        to: as what.
        by: name and version of what loaded it again; None where that is not installed here, so that nothing was compared.
        furthest: side -> the largest difference of a number of a unit row, there and here.
        load: a line of Python, or the command, that loads it.
        apart: in what pictures are prepared otherwise there, in words.
        varied: what was measured of encoders in smaller numbers, in words; nothing where none were asked for.
        left_out: what there is no place for there, and where it lies, in words.
    """

    model: Moved
    to: To
    by: str | None
    furthest: Mapping[str, float] = field(default_factory=dict)
    load: str
    apart: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def export_model(path: Path, to: To, out: Path, variant: Kind | None = None, root: Path | None = None) -> Exported:
    """Write the model of a folder to `out`, a new folder, and return what was found when it was read again there; labels that it tells apart go where there is a place for them.

    Args:
        variant: smaller numbers, of which each encoder gets those that are worth it.
        root: of the workspace that has the package's pictures, which `variant` is measured by.

    Raises ConfigError for a model without weights and an `out` that holds something, CapabilityError for what the library has no place
    for, for a variant that is not worth it or of what is no package, StaleArtifact for a package that is not what was packaged and for labels that do not fit, DataError for a difference of more than TOLERANCE; nothing is kept then.
    """
    package = Package.verify(path) if (path / MANIFEST).is_file() and (path / PACKED).is_file() else None
    embedder = read_given(path).encoder
    if not isinstance(embedder, Embedder):
        raise ConfigError(
            f"{path} is a package without the weights that it was made of, so there is nothing to export. Name the folder of the model, such as "
            "runs/clip/finetune."
        )
    if variant is not None and (package is None or to in LIBRARIES):
        raise CapabilityError(
            f"{NAMES[variant]} is of the two encoders of a package, and told by its index what is lost. Export a package, such as clip@champion, --to onnx or "
            "triton; or leave --variant out."
        )
    varied: tuple[str, ...] = ()
    labels_in = labels_beside(path)
    labels = Labels.read(labels_in) if labels_in else None
    with whole_folder(out) as folder:
        if to in LIBRARIES:
            by, furthest = _theirs(embedder, to, folder)
        else:
            write = _graphs if to == "onnx" else _repository
            by, furthest = f"onnxruntime {onnxruntime.__version__}", write(embedder, package, labels, folder)
            if variant is not None and package is not None:
                inner = "{}.onnx" if to == "onnx" else "{}/1/model.onnx"
                varied = vary(package, {name: folder / inner.format(name) for name in ENCODERS}, variant, root)
    return Exported(
        model=moved(out, embedder.model), to=to, by=by, furthest=furthest, load=load_line(to, out, embedder),
        apart=apart(embedder.preprocess) if to in LIBRARIES else (), varied=varied,
        left_out=left_out(labels, labels_in) if to in LIBRARIES and labels and labels_in else (),
    )  # fmt: skip


def labels_beside(path: Path) -> Path | None:
    """Return the folder with the labels of a model of ours or a package: its own, or of what `diptych adapt` left the one above; None where there are none."""
    places = [path] if (path / MODEL).is_file() else []  # what is called so in a folder of theirs is of another kind
    places += [path.parent] if path.name == "model" and (path.parent / ADAPTED).is_file() else []
    return next((place for place in places if all((place / name).is_file() for name in LABEL_FILES)), None)


def load_line(to: To, out: Path, embedder: Embedder) -> str:
    """Return how it is loaded there."""
    if to == "open_clip":
        return f'model, _, transform = open_clip.create_model_and_transforms("local-dir:{out}")'
    if to == "hf":
        return f'model = transformers.AutoModel.from_pretrained("{out}")'
    if to == "onnx":
        return (
            f'onnxruntime.InferenceSession("{out / PACKED}").run(None, {{"pixel_values": pixels}})'
            f"  # float32 [N 3 {pixels_of(embedder.model)} {pixels_of(embedder.model)}], 0 to 1"
        )
    return f"tritonserver --model-repository={out}"


def apart(preprocess: Preprocess) -> tuple[str, ...]:
    """Return what no transform of theirs does to a picture, in words; nothing where it shows the same."""
    return tuple(
        said
        for said, differs in (
            ("even margins are cut away here, and stay there", preprocess.trim),
            ("pictures are resized by another code here, which moves pixels by a fraction of 255", not (preprocess.whole or preprocess.squeeze)),
        )
        if differs
    )  # fmt: skip


def left_out(labels: Labels, folder: Path) -> tuple[str, ...]:
    """Return that labels are not in what is written, in words; nothing where there are none."""
    if not labels.labels:
        return ()
    return (
        f"its {len(labels.labels):,} labels are not in it, since there is no place for them there: they are told apart by labels.npy, as {folder / LABEL_FILES[0]} says, "
        "and go along --to onnx or triton",
    )


def _theirs(embedder: Embedder, to: To, folder: Path) -> tuple[str | None, dict[str, float]]:
    library = LIBRARIES[to]
    write_theirs(embedder, library, folder)
    by = reader_of(library)
    if by is None:
        return None, {}
    pixels, tower = _pixels(embedder), embedder.model.image
    own = embedder.vocabulary(TEXTS).ids.numpy()
    shown = (pixels - tower.mean) / tower.std  # type: ignore[operator]  # an ImageTower's, or nothing could be written
    said = ask(library, folder, TEXTS, shown, embedder.vocabulary.context)
    for text, there, here in zip(TEXTS, said.ids, own, strict=True):
        if there.shape != here.shape or (there != here).any():
            raise DataError(
                f"{by} reads {text[:40]!r} as tokens {there.tolist()[:12]}, and it is {here.tolist()[:12]} here, so texts would mean something else "
                f"there. Nothing was kept. {PACKAGES[library]} cleans texts before its tokenizer is asked; report the tokenizer."
            )
    image, text_rows = _unit_rows(embedder, pixels)
    furthest = {"image": _apart(said.image, image), "text": _apart(said.text, text_rows)}
    _check(by, furthest)
    return by, furthest


def _graphs(embedder: Embedder, package: Package | None, labels: Labels | None, folder: Path) -> dict[str, float]:
    """Write both encoders with tokenizer, transform and labels; the encoders of a package are copied, and compared again."""
    embedder.vocabulary.save(folder / TOKENIZER)
    (folder / TRANSFORMS).write_text(embedder.preprocess.to_json(), encoding="utf-8")
    if labels:
        labels.write(folder)
    if package is None:
        found = export(embedder.model, folder, _pixels(embedder), embedder.vocabulary(TEXTS), OPSET, TOLERANCE)
        return {"image": found["image_encoder"], "text": found["text_encoder"]}
    for name in package.files:
        if name.startswith(tuple(f"{encoder}.onnx" for encoder in ENCODERS)):
            shutil.copyfile(package.path / name, folder / name)
    return _compared(embedder, {name: folder / f"{name}.onnx" for name in ENCODERS})


def _repository(embedder: Embedder, package: Package | None, labels: Labels | None, folder: Path) -> dict[str, float]:
    """Write the repository that is served of a package; of a model alone, what needs no index."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = package or _packed(embedder, labels, Path(scratch) / "package")
        made = write_repository(whole, folder / ".repository")
    for one in made.iterdir():
        one.rename(folder / one.name)
    made.rmdir()
    return _compared(embedder, {name: folder / name / "1" / "model.onnx" for name in ENCODERS})


def _packed(embedder: Embedder, labels: Labels | None, folder: Path) -> Package:
    """Return a model as a package that answers with vectors and shares of labels, its own or any that are named, and searches nothing."""
    folder.mkdir()
    none = measured_labels(folder / "none", embedder.texts, embedder.model.width, embedder.logit_scale)
    _graphs(embedder, None, labels or none, folder)
    digest = seal(folder, {})
    files = {path.name: "" for path in folder.iterdir() if path.name != MANIFEST}
    return Package(path=folder, digest=digest, files=files)


def _compared(embedder: Embedder, graphs: Mapping[str, Path]) -> dict[str, float]:
    """Return how far each graph is from what is measured at most; DataError for more than TOLERANCE."""
    pixels, ids = _pixels(embedder), embedder.vocabulary(TEXTS).ids
    shown, read = _unit_rows(embedder, pixels)
    return {
        side: compare(graphs[f"{side}_encoder"], taken, rows.numpy(), measured, TOLERANCE)
        for side, taken, rows, measured in (
            ("image", "pixel_values", pixels, shown),
            ("text", "input_ids", ids, read),
        )
    }


def _pixels(embedder: Embedder) -> torch.Tensor:
    """Return float [4 3 S S] in [0, 1] that differ in light and in detail, the same each time."""
    size = embedder.preprocess.size
    drawn = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, size).expand(3, size, size)
    return torch.stack([drawn[0], drawn[1] * 0.2, ramp, (ramp + drawn[3]) / 2])


@torch.inference_mode()
def _unit_rows(embedder: Embedder, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    return embedder.pixels_embedded(pixels), embedder.texts(TEXTS)


def _apart(there: np.ndarray, here: np.ndarray) -> float:
    return float(np.abs(there - here).max()) if there.shape == here.shape else float("inf")


def _check(by: str, furthest: Mapping[str, float]) -> None:
    for side, difference in furthest.items():
        if not difference <= TOLERANCE:
            raise DataError(
                f"what {by} makes of a {'picture' if side == 'image' else 'text'} differs by {difference:.1e} in a number of the unit row, more than "
                f"{TOLERANCE:.0e}: it would be another model there. Nothing was kept. Report the model.json of the model."
            )
