"""A folder of pictures with their words beside them: `cat.jpg` with `cat.txt` (a caption a line) or `cat.json`.

Labels come from the JSON, else from the first folder below, where pictures lie in two or more of them.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import DataError
from components.contracts.reject import Reject
from components.contracts.sample import SHORT
from components.data.sources.caption_kinds import joined
from components.data.sources.files import DOCUMENTS, PICTURES, files_below
from components.data.sources.found import Found, Own
from components.data.sources.own_source import OwnSource
from components.data.sources.rows import texts_of
from components.data.sources.settings import NOT_STATED
from components.data.sources.words import UnreadableWords, decoded, flags_of, json_words, langs_of

WORDS = (".txt", ".json")
SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev", "images"})


class FolderSource(OwnSource):
    """Pictures below a folder, at any depth, with a .txt or .json of the same name beside each.

    Args:
        path: the folder.
        url: in its place, where they lie: s3:// of a folder; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures whose .json states none.
    """

    name, what, suffixes = "folder", "a folder with pictures", (*PICTURES, *WORDS)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        super().__init__(path, url, version, allow_hosts, languages, licence)

    def find(self, here: Path) -> Found:
        """Return the pictures below a folder. DataError when it is none, or has none."""
        if not here.is_dir():
            raise DataError(
                f"{here} is no folder. Give the folder that holds the pictures; for a table, write source: {{name: table}}."
            )
        return find(here)


def find(folder: Path) -> Found:
    """Return the pictures with their words. DataError when there are no pictures."""
    files, left_out = files_below(folder)
    pictures = [(name, path) for name, path in files if PurePosixPath(name).suffix.lower() in PICTURES]
    words = {name: path for name, path in files if PurePosixPath(name).suffix.lower() in WORDS}
    if not pictures:
        raise DataError(_no_pictures(folder, files))
    used, faults, unknown, rejects = set[str](), list[str](), list[str](), list[Reject]()
    labels = folder_labels([name for name, _ in pictures])
    by_stem: dict[str, list[str]] = {}
    for name in words:
        by_stem.setdefault(str(PurePosixPath(name).with_suffix("")), []).append(name)
    found = []
    for name, path in pictures:
        said: dict[str, Any] = {"captions": {}}
        fault: Reject | None = None
        for beside in by_stem.get(str(PurePosixPath(name).with_suffix("")), []):
            used.add(beside)
            try:
                more = read_words(words[beside])
            except UnreadableWords as err:
                fault = Reject(key=name, member=beside, reason=err.reason, detail=f"of {beside}: {err}")
                continue
            except OSError as err:
                faults.append(f"{beside} ({err})")
                continue
            unknown.extend(f"{key} in {beside}" for key in more.pop("unknown", ()))
            said = {**said, **more, "captions": joined(said["captions"], more.get("captions", {}))}
        if fault is not None:
            rejects.append(fault)
            continue
        captions = said["captions"]
        found.append(
            Own(
                name=name, path=path, texts=tuple(captions), kinds=tuple(captions.values()), langs=langs_of(said, captions),
                group=said.get("group"), label=said.get("label") or labels.get(name), licence=said.get("licence"), flags=flags_of(said),
            )
        )  # fmt: skip
    stray = [name for name, _ in files if PurePosixPath(name).stem.casefold() not in DOCUMENTS]
    others = [name for name in stray if PurePosixPath(name).suffix.lower() not in (*PICTURES, *WORDS)]
    left_out |= {
        "captions that cannot be read": faults,
        "texts without a picture": [name for name in stray if name in words and name not in used],
        "keys that nothing reads": unknown,
        "files of another kind": others,
    }
    why = "all pictures lie in one folder, and no .json states a label"
    unread = [*faults, *(f"{reject.member} ({reject.reason})" for reject in rejects)]
    wordless = "" if any(own.texts for own in found) else _no_captions(folder, pictures[0][0], unread)
    return Found(
        pictures=tuple(found),
        rejects=tuple(rejects),
        left_out=left_out,
        no_labels=why,
        wordless=wordless,
    )


def read_words(path: Path) -> dict[str, Any]:
    """Return what a .txt or .json says: captions -> their kinds, and where it says so label, group, licence, lang and `unknown` keys.

    OSError or UnreadableWords, with a message, when it cannot be read.
    """
    if path.suffix.lower() == ".txt":
        lines = decoded(path.read_bytes()).splitlines()
        return {"captions": {line: SHORT for one in lines for line in texts_of(one)}}
    return json_words(path.read_bytes())


def folder_labels(names: Sequence[str]) -> dict[str, str]:
    """Return picture -> the first folder it lies in, where these are two or more and are not the names of splits."""
    tops = {name: PurePosixPath(name).parts[0] for name in names if "/" in name}
    kinds = set(tops.values())
    return {} if len(kinds) < 2 or {kind.casefold() for kind in kinds} <= SPLIT_NAMES else tops


def _no_pictures(folder: Path, files: Sequence[tuple[str, Path]]) -> str:
    kinds = sorted({PurePosixPath(name).suffix.lower() or "(no suffix)" for name, _ in files})
    there = f"it has {len(files):,} files of the kinds {', '.join(kinds)}" if files else "it is empty"
    return (
        f"{folder} holds no picture ({', '.join(PICTURES)}): {there}. Put pictures there with a .txt of the same name beside "
        "each, or name another folder in source.path, or by `diptych run --data FOLDER`."
    )


def _no_captions(folder: Path, first: str, faults: Sequence[str]) -> str:
    why = f" {len(faults)} files beside pictures could not be read, such as {faults[0]}." if faults else ""
    stem = PurePosixPath(first).with_suffix("")
    return (
        f"none of the pictures in {folder} has a caption, so there is nothing to learn.{why} Write one beside each picture, for "
        f"{first} in {stem}.txt; or put a table captions.csv with the columns image,caption into the folder."
    )
