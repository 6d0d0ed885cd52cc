"""Data sets in FiftyOne's own layout on disk: `metadata.json`, `samples.json`, and `data/` with the pictures.

Source: the export type `fiftyone.types.FiftyOneDataset` of FiftyOne 1.x, whose samples.json is MongoDB's extended JSON. Written and read
without FiftyOne. What a person tags there comes back by `diptych_key`, never by position or by file name.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.errors import DataError
from components.data.new_folder import new_folder
from components.data.shards import open_pictures

KEY = "diptych_key"  # a field of every sample that we write
SAMPLES, METADATA = "samples.json", "metadata.json"
MAX_JSON_BYTES = 2**30
_FIELDS = ("split", "source", "licence")
_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}


def write_fiftyone(manifest: pa.Table, raw: Path, out: Path, name: str) -> int:
    """Write the samples of a manifest as a data set of that name, `out` whole or not at all; return how many.

    DataError for a picture that is not as the manifest says, and for an `out` that holds something.
    """
    with new_folder(out) as folder:
        (folder / "data").mkdir()
        samples = []
        words = manifest.select(["key", "texts", "labels", *_FIELDS])
        for row, (key, picture) in zip(words.to_pylist(), open_pictures(raw, manifest), strict=True):
            file = f"data/{key}{_suffix(picture)}"
            (folder / file).write_bytes(picture)
            samples.append(_sample(row, file))
        _write(folder / SAMPLES, {"samples": samples})
        _write(folder / METADATA, _metadata(name))
    return len(samples)


def _suffix(picture: bytes) -> str:
    return next((suffix for start, suffix in _SUFFIXES.items() if picture.startswith(start)), ".bin")


def _sample(row: Mapping[str, Any], file: str) -> dict[str, Any]:
    label: dict[str, Any] = {
        "_cls": "Classification",
        "tags": [],
        "label": (row["labels"] or {}).get("concept"),
        "confidence": None,
        "logits": None,
    }
    captions = [text["text"] for text in row["texts"] or ()]
    said = {name: row[name] for name in _FIELDS}
    return {
        "filepath": file,
        "tags": [],
        "metadata": None,
        "_media_type": "image",
        KEY: row["key"],
        "captions": captions,
        "ground_truth": label,
        **said,
    }


def _metadata(name: str) -> dict[str, Any]:
    """Return metadata.json, with a schema of the fields that are ours."""
    strings = "fiftyone.core.fields.StringField"
    fields = [
        {"name": field, "ftype": strings, "embedded_doc_type": None, "subfield": None} for field in (KEY, *_FIELDS)
    ]
    fields.append(
        {"name": "captions", "ftype": "fiftyone.core.fields.ListField", "embedded_doc_type": None, "subfield": strings}
    )
    label = "fiftyone.core.labels.Classification"
    fields.append(
        {
            "name": "ground_truth",
            "ftype": "fiftyone.core.fields.EmbeddedDocumentField",
            "embedded_doc_type": label,
            "subfield": None,
        }
    )
    return {
        "name": name,
        "version": "1.0.0",
        "media_type": "image",
        "sample_fields": fields,
        "info": {},
        "saved_views": [],
        "workspaces": [],
    }


def _write(path: Path, said: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_samples(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the samples of a data set, as samples.json has them. DataError when there is none, or it is damaged."""
    path = folder / SAMPLES
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise DataError(f"{path} has {size:,} bytes; at most {MAX_JSON_BYTES:,} are read. Export it in parts.")
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise DataError(
            f"{folder} holds no samples.json, so it is no data set of FiftyOne. Export one there: dataset.export(export_dir=…, "
            "dataset_type=fiftyone.types.FiftyOneDataset)"
        ) from err
    except (OSError, ValueError, RecursionError) as err:
        raise DataError(f"{path} cannot be read ({err}). Export the data set again.") from err
    samples = said.get("samples") if isinstance(said, dict) else None
    if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
        raise DataError(f"{path} has no list of samples. Export the data set again.")
    yield from samples


def tags_of(folder: Path) -> dict[str, frozenset[str]]:
    """Return key -> a person's tags. DataError for a sample without a key of ours, or a key that stands twice."""
    found: dict[str, frozenset[str]] = {}
    for sample in read_samples(folder):
        key, tags = sample.get(KEY), sample.get("tags") or []
        if not isinstance(key, str):
            raise DataError(
                f"{folder / 'samples.json'}: the sample {sample.get('filepath')!r} has no {KEY}, so nobody knows which of ours it is. Tag a "
                "data set that diptych data export made, and export it with all fields."
            )
        if key in found:
            raise DataError(
                f"{folder / 'samples.json'} has the key {key!r} twice, and their tags may differ. Keep one of them."
            )
        found[key] = frozenset(str(tag).lower() for tag in tags)
    return found
