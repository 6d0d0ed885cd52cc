"""What is true of scenes that were ingested: where each thing is, how things lie, which captions are wrong and how.

Nothing of it is stored: source.json has the seed and the settings, and with these the scenes are made again. So no stage
before evaluation can read it by mistake; columns end in `_true`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.contracts.errors import DataError, StaleArtifact
from components.data.manifest import read_manifest
from components.data.masks import pack
from components.data.synthetic.brush import place
from components.data.synthetic.grammars.grammar import Grammar
from components.data.synthetic.scene import Scene, relations
from components.data.synthetic.scenes import ScenesSource, Shown
from components.data.synthetic.writer import GRAMMARS, Told, shortest, write

_THING = pa.struct(
    [
        pa.field("shape", pa.string()),
        pa.field("colour", pa.string()),
        pa.field("size", pa.string()),
        pa.field("texture", pa.string()),
        pa.field("place", pa.string()),
        pa.field("ref", pa.string()),  # what tells it from the others, in the first language
        pa.field("box", pa.list_(pa.float32(), 4)),  # left, top, right, bottom in [0, 1]
        pa.field("mask", pa.string()),  # see masks.py
    ]
)
_RELATION = pa.struct(
    [pa.field("one", pa.int32()), pa.field("relation", pa.string()), pa.field("other", pa.int32())]
)  # places among the things
_TEXT = pa.struct(
    [
        pa.field("kind", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("fault", pa.string()),  # swapped, lie or shuffled; empty where the caption is true
        pa.field("text", pa.string()),  # as it would be without the fault
        pa.field("named", pa.list_(pa.int32())),  # places among the things
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("split", pa.string()),
        pa.field("things_true", pa.list_(_THING)),
        pa.field("relations_true", pa.list_(_RELATION)),
        pa.field("texts_true", pa.list_(_TEXT)),  # in the order of the manifest's texts
        pa.field("twin_of_true", pa.string()),  # key of the picture that it differs from in one thing
        pa.field("change_true", pa.string()),  # in what
    ]
)


def truth(raw: Path) -> pa.Table:
    """Return a row a sample, in the order of the manifest of `raw`.

    Raises DataError when the data is not of scenes, StaleArtifact when these scenes are no longer what would be drawn.
    """
    source, seed = source_of(raw)
    shown = list(source.shown(seed))
    manifest = read_manifest(raw / "manifest.parquet").select(["key", "texts"]).to_pylist()
    if [(row["key"], [one["text"] for one in row["texts"]]) for row in manifest] != [
        (one.key, [caption.text for caption in one.captions]) for one in shown
    ]:
        raise StaleArtifact(
            f"{raw} has scenes that this version would not draw so: other samples, or other captions. Ingest again."
        )
    grammar = GRAMMARS[source.languages[0]]
    return pa.Table.from_pylist([row_of(one, grammar) for one in shown], SCHEMA)


def source_of(raw: Path) -> tuple[ScenesSource, int]:
    """Return the source that made `raw`, and its seed; DataError when it was another than scenes."""
    try:
        came_in = json.loads((raw / "source.json").read_text(encoding="utf-8"))
        name, settings, seed = came_in["source"]["name"], came_in["source"].get("settings"), int(came_in["seed"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(f"{raw / 'source.json'} cannot be read ({err!r}). Ingest again.") from err
    if name != "scenes" or not isinstance(settings, dict):
        raise DataError(
            f"{raw} holds {name}, of which nobody knows what is true. Set source: {{name: scenes}} in params.yaml, and ingest."
        )
    return ScenesSource(**settings), seed


def row_of(shown: Shown, grammar: Grammar) -> dict[str, Any]:
    """Return the row of one picture."""
    scene = shown.scene
    return {
        "key": shown.key,
        "split": shown.split,
        "things_true": list(_things(scene, grammar)),
        "relations_true": [
            {"one": one, "relation": relation, "other": other}
            for one, this in enumerate(scene.things)
            for other, that in enumerate(scene.things)
            if this is not that
            for relation in relations(this, that)
        ],
        "texts_true": [
            {"kind": one.kind, "lang": one.lang, "fault": one.fault, "text": one.text_true, "named": list(one.named)}
            for one in shown.captions
        ],
        "twin_of_true": shown.twin_of,
        "change_true": shown.change,
    }


def _things(scene: Scene, grammar: Grammar) -> Iterator[dict[str, Any]]:
    for thing in scene.things:
        placed = place(scene, thing)
        yield {
            "shape": thing.shape,
            "colour": thing.colour,
            "size": thing.size,
            "texture": thing.texture,
            "place": scene.place(thing),
            "ref": write("ref", scene, [Told(thing=thing, said=shortest(thing, scene))], grammar),
            "box": placed.box,
            "mask": pack(placed.mask),
        }
