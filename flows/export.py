"""`diptych export VERSION --to open_clip|hf|onnx|triton`: a model of ours as others load it, checked by loading it there."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.model_files import MODEL
from flows.adapt import MODEL as ADAPTED
from flows.adapt import REPORT

if TYPE_CHECKING:
    from components.recipes.exported import Exported, To
    from components.serving.variants import Kind

NAMES = {"open_clip": "open_clip", "hf": "transformers", "onnx": "ONNX", "triton": "a repository of Triton"}


def export(said: str, to: "To", here: Path, out: Path, as_json: bool, variant: "Kind | None" = None) -> None:
    """Write the model that is named to `out`, a new folder, and say how far it is from ours there, and how it is loaded.

    `variant` asks for smaller numbers, which are taken where they are worth it. `said` is a version of the registry, or a folder from `here`. Errors as of `folder_of` and `components.recipes.exported.export_model`.
    """
    folder = folder_of(said, here)
    from components.recipes.exported import export_model

    found = export_model(folder, to, out, variant, _root(here))
    if as_json:
        values = asdict(found)
        print(json.dumps({**values.pop("model"), **values, "folder": str(out)}, ensure_ascii=False))
    else:
        print("\n".join(lines(said, found)))


def folder_of(said: str, here: Path) -> Path:
    """Return the folder of what is named: a model, a package, what `diptych adapt` left, or a version such as clip@3 or clip@champion.

    Raises ConfigError for what is none of these, StaleArtifact for a version whose files are not what was registered.
    """
    folder = here / said
    if (folder / REPORT).is_file() and (folder / ADAPTED / MODEL).is_file():
        return folder / ADAPTED
    if folder.exists():
        return folder
    from components.serving.scorer import open_package

    return open_package(said, here, _root(here))[0].path


def _root(here: Path) -> Path | None:
    return next((one for one in (here, *here.parents) if (one / "dvc.yaml").exists()), None)


def lines(said: str, found: "Exported") -> Iterator[str]:
    """Yield what a person reads: what it is, whether it is the same there, what is not, and how it is loaded."""
    its = found.model
    yield (
        f"{said} is now {NAMES[found.to]}: {its.parameters:,} numbers, {its.width} dimensions, pictures of {its.size} pixels, texts of {its.context} "
        f"of {its.vocabulary:,} tokens"
    )
    if found.by is None:
        yield f"not compared: {NAMES[found.to]} is not installed here"
    else:
        furthest = " and of texts ".join(f"{difference:.1e}" for difference in found.furthest.values())
        yield f"loaded by {found.by}, unit rows of pictures differ from ours by at most {furthest}"
    yield from found.varied
    yield from found.apart
    yield from found.left_out
    yield f"in {its.folder}; it is loaded by"
    yield f"  {found.load}"
