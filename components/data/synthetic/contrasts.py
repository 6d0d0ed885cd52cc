"""Hard negatives: beside the true caption of a tested picture, captions that are false in one thing, a row each.

As Winoground, ARO and SugarCrepe ask: does the model score what is true above what is nearly true? With `scenes.twins` the
pictures of the false captions can be had too; these here need none.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from components.contracts.errors import ConfigError
from components.contracts.sample import SPLITS
from components.data.synthetic.grammars.grammar import Grammar
from components.data.synthetic.scene import Kinds, Scene, SceneOptions
from components.data.synthetic.truth import source_of
from components.data.synthetic.twins import CHANGES, twins
from components.data.synthetic.writer import GRAMMARS, told, write

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),  # of the sample
        pa.field("lang", pa.string()),
        pa.field("text", pa.string()),  # true
        pa.field("change", pa.string()),  # one of twins.CHANGES
        pa.field("text_false", pa.string()),
    ]
)


def contrasts(raw: Path, split: str) -> pa.Table:
    """Return for each picture of a split, in each of its languages, a false caption for every change there is.

    Raises ConfigError for a split that does not exist, else as truth().
    """
    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}. Ask for one of {', '.join(SPLITS)}.")
    source, seed = source_of(raw)
    kinds, rows = Kinds.of(source.scene, seed), []
    for shown in source.shown(seed):
        for lang in source.languages if shown.split == split else ():
            luck, grammar = random.Random(f"{seed}/{shown.key}/contrasts"), GRAMMARS[lang]
            true = said(shown.scene, grammar)
            rows += [
                {"key": shown.key, "lang": lang, "text": true, "change": change, "text_false": false}
                for change, false in falsehoods(shown.scene, source.scene, kinds, luck, grammar)
            ]
    return pa.Table.from_pylist(rows, SCHEMA)


def falsehoods(
    scene: Scene, options: SceneOptions, kinds: Kinds, luck: random.Random, grammar: Grammar
) -> Iterator[tuple[str, str]]:
    """Yield each change with a caption of the scene as it would be after it; none where a language cannot tell."""
    found: dict[str, str] = {}
    for twin in twins(scene, options, kinds, luck):
        if twin.change not in found and (text := said(twin.scene, grammar)) != said(scene, grammar):
            found[twin.change] = text
        if len(found) == len(CHANGES):
            break
    yield from sorted(found.items())


def said(scene: Scene, grammar: Grammar) -> str:
    """Return the short caption, whole."""
    return write("short", scene, told("short", scene, random.Random(0)), grammar)
