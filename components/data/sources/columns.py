"""Which column of a table says what: as the person wrote it in params.yaml, else by the names that people use."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from components.contracts.errors import ConfigError

# Role -> the names it goes by, its own first: where several are there, the role's own name wins.
NAMES = {
    "image": (
        "image", "file_name", "filename", "file", "file_path", "filepath", "path", "image_path", "image_file", "img",
        "img_path", "picture", "photo",
    ),
    "caption": ("caption", "captions", "text", "title", "description", "sentence", "alt", "alt_text"),
    "kind": ("caption_kind",),
    "alt": (),  # further captions, where the person says so
    "long": (),
    "label": ("label", "category", "class", "class_name", "label_name"),
    "group": ("group", "group_id"),
    "licence": ("licence", "license"),
    "lang": ("lang", "language"),
    "key": ("key",),
    "consent": ("consent",),
    "health": ("health", "phi"),
}  # fmt: skip
URLS = ("url", "image_url", "img_url")  # of the picture, where no column is called as its path is
NEEDED = ("image", "caption")
OF_THEIR_KIND = ("alt", "long")  # roles of captions that are of the kind they are called after
FLAGS = ("consent", "health")  # of which every word counts, an empty cell too


def recognise(columns: Sequence[str], said: Mapping[str, str], table: str) -> dict[str, str]:
    """Return role -> column of a table.

    Args:
        columns: as the table has them.
        said: `source.columns` of params.yaml; what it names is taken as it is, the rest is recognised.
        table: its name, for messages.

    Raises ConfigError for a role or column that does not exist, and where picture or caption is not to be recognised:
    the message lists the columns and shows what to write.
    """
    for role, column in said.items():
        if role not in NAMES:
            raise ConfigError(f"source.columns takes no {role!r}. {_nearest(role, list(NAMES))}")
        if column not in columns:
            raise ConfigError(
                f"source.columns.{role} is {column!r}, but {table} has no such column. {_nearest(column, columns)}"
            )
    found = dict(said)
    for role, names in NAMES.items():
        if role in found:
            continue
        free = [column for column in columns if column not in found.values()]
        likely = [column for column in free if plain(column) in names]
        if role == "image" and not likely:
            likely = [column for column in free if plain(column) in URLS]
        exact = [column for column in likely if plain(column) == role]
        if len(exact or likely) == 1:
            found[role] = (exact or likely)[0]
        elif role in NEEDED and not (role == "caption" and any(one in found for one in OF_THEIR_KIND)):
            raise ConfigError(_unrecognised(role, likely, columns, found, table))
    return {role: found[role] for role in NAMES if role in found}


def plain(column: str) -> str:
    """Return "File Name" as "file_name"."""
    return column.strip().casefold().replace(" ", "_").replace("-", "_")


def _unrecognised(
    role: str, likely: Sequence[str], columns: Sequence[str], found: Mapping[str, str], table: str
) -> str:
    what = {"image": "picture's path", "caption": "caption"}[role]
    why = f"several could be it ({', '.join(likely)})" if likely else "none is called so"
    shown = {needed: found.get(needed, "COLUMN") for needed in NEEDED}
    return (
        f"which column of {table} holds the {what}? {why[0].upper()}{why[1:]}. Its columns are {', '.join(columns) or 'none'}. "
        f"Say so in params.yaml: source: {{columns: {{image: {shown['image']}, caption: {shown['caption']}}}}}."
    )


def _nearest(given: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(given), known, n=1, cutoff=0)
    return f"There is {', '.join(known)}; did you mean {near[0]}?" if near else "It has none."
