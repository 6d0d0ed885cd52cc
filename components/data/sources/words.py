"""What stands beside a picture, in a folder or a shard: a .txt, or a .json that can say more than a caption."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from components.contracts.sample import SHORT
from components.data.sources.caption_kinds import joined
from components.data.sources.columns import FLAGS, OF_THEIR_KIND, plain
from components.data.sources.rows import texts_of

# What stands in a .json beside a picture, and the names it may have.
KEYS = {
    "captions": ("caption", "captions"),
    "alt": ("alt",),
    "long": ("long",),
    "label": ("label", "category"),
    "group": ("group",),
    "licence": ("licence", "license"),
    "lang": ("lang", "language"),
    "consent": ("consent",),
    "health": ("health", "phi"),
}
_KNOWN = frozenset(name for names in KEYS.values() for name in names)


class UnreadableWords(ValueError):
    """The bytes are no such words; `reason` is the code that quarantine gives, bad_utf8 or bad_json."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decoded(data: bytes) -> str:
    """Return UTF-8 text without a mark before its first letter; UnreadableWords for other bytes."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise UnreadableWords("bad_utf8", "it is not UTF-8") from err


def json_words(data: bytes) -> dict[str, Any]:
    """Return what a .json says: captions -> their kinds, and where it says so label, group, licence, lang, consent, health; and
    `unknown` keys.

    The .json of our own shards (`texts`, `labels`, `licence`) is read as well, and gives `langs`, caption -> its language. Raises UnreadableWords, with a message, when it is
    no JSON object in UTF-8.
    """
    text = decoded(data)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise UnreadableWords("bad_json", str(err)) from err
    if not isinstance(said, Mapping):
        raise UnreadableWords("bad_json", 'it is no object such as {"caption": "a cat"}')
    if isinstance(said.get("texts"), list) and isinstance(said.get("labels"), Mapping):
        return _own_words(said)
    read: dict[str, Any] = {"unknown": [str(key) for key in said if key not in _KNOWN]}
    for what, names in KEYS.items():
        values = tuple(one for name in names for one in texts_of(said.get(name)))
        if what in ("captions", *OF_THEIR_KIND):
            kind = what if what in OF_THEIR_KIND else SHORT
            read["captions"] = joined(read.get("captions", {}), dict.fromkeys(values, kind))
        elif values:
            read[what] = values if what in FLAGS else values[0]
    return read


def flags_of(words: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what was said of consent and health; nothing where nothing was."""
    return {one: words[one] for one in FLAGS if one in words}


def langs_of(words: Mapping[str, Any], captions: Iterable[str]) -> tuple[str | None, ...]:
    """Return the language of each caption as words say it: its own, else that of all, else None."""
    own: Mapping[str, str | None] = words.get("langs", {})
    return tuple(own.get(text, words.get("lang")) for text in captions)


def _own_words(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ShardWriter wrote of a sample; `lang`, of texts that it did not write, is that of its first."""
    texts = [one for one in said["texts"] if isinstance(one, Mapping)]
    kinds = {text: plain(str(one.get("kind") or SHORT)) for one in texts for text in texts_of(one.get("text"))}
    langs: dict[str, str | None] = {}
    for one in texts:
        for text in texts_of(one.get("text")):
            langs.setdefault(text, next(iter(texts_of(one.get("lang"))), None))
    read: dict[str, Any] = {"captions": kinds, "langs": langs}
    stated = {
        "label": said["labels"].get("category"),
        "licence": said.get("licence"),
        "lang": texts and texts[0].get("lang"),
    }
    return read | {what: texts_of(value)[0] for what, value in stated.items() if texts_of(value)}
