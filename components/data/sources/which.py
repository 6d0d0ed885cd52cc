"""Which source reads what lies at a path: as params.yaml says it, with what DVC is to watch."""

import os
from pathlib import Path
from typing import Any

from components.contracts.errors import DataError
from components.data.sources.coco import caption_files, read_json
from components.data.sources.columns import recognise
from components.data.sources.croissant import is_croissant
from components.data.sources.document_files import holds_documents
from components.data.sources.fiftyone import is_fiftyone
from components.data.sources.files import NO_FILES, PICTURES, UNREADABLE_FOLDERS, files_below
from components.data.sources.huggingface import is_dataset
from components.data.sources.own import counted
from components.data.sources.rows import TABLES, column_names, is_table, table_in
from components.data.sources.settings import existing
from components.data.sources.span_rows import spans_table
from components.data.sources.webdataset import SHARD, is_shard
from components.data.sources.wit import tables_in
from components.data.sources.wukong import wukong_tables
from components.data.sources.wukong_rows import number_of


def describe_path(path: Path, watched: bool = True) -> dict[str, Any]:
    """Return params.yaml's `source:` for what lies at a path: a folder, a folder with a table, or a table.

    The path is relative where it lies in the folder we stand in. A table that has its pictures around it is named by its
    folder, so that DVC sees a picture change too; one in a folder with much else by itself.
    Raises DataError or ConfigError, saying what to write, when it is none of these, its columns are not recognised, or, with
    `watched`, it has what DVC cannot keep watch over.
    """
    where = existing(str(path), "a folder of pictures or shards, or of a table with their captions")
    if watched and where.is_dir():
        _check_watchable(where)
    if is_croissant(where):
        return {"name": "croissant", "path": _shown(where)}
    if where.is_dir() and any(tables_in(where)):
        return {"name": "wit", "path": _shown(where)}
    if wukong_tables(where) if where.is_dir() else number_of(where) is not None:
        return {"name": "wukong", "path": _shown(where)}
    if _is_sharded(where):
        return {"name": "webdataset", "path": _shown(where)}
    if where.is_dir() and spans_table(where) is not None:
        return {"name": "video_spans", "path": _shown(where)}
    if is_fiftyone(where):
        return {"name": "fiftyone", "path": _shown(where)}
    table = table_in(where) if where.is_dir() else where
    if holds_documents(where if table is None else table):
        return _of_documents(where, table)
    if is_dataset(where if table is None else table):
        return {"name": "huggingface", "path": _shown(where if table is None else table)}
    if table is None:
        return {"name": "coco" if caption_files(where) else "folder", "path": _shown(where)}
    if table.suffix.lower() == ".json":
        return _of_captions(table, watched)
    if not is_table(table):
        raise DataError(
            f"{path} is neither a folder nor a table ({', '.join(TABLES)}) nor a shard ({SHARD}), nor a .json of captions. Give the folder that holds your "
            "pictures or shards, or a table with a row a picture, such as captions.csv with the columns image,caption."
        )
    columns = recognise(column_names(table), {}, table.name)
    if where.is_dir():
        return {"name": "table", "path": _shown(where), "columns": columns}
    if _stands_alone(table.resolve().parent):
        return {"name": "table", "path": _shown(table), "columns": columns}
    return {"name": "table", "path": _shown(table.parent), "table": table.name, "columns": columns}


def _of_captions(file: Path, watched: bool) -> dict[str, Any]:
    """Return the source that reads one .json of captions, with the folder that its pictures are looked for in."""
    read_json(file)
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    if watched:
        _check_watchable(folder)
    return {"name": "coco", "path": _shown(folder), "annotations": file.relative_to(folder).as_posix()}


def _of_documents(where: Path, table: Path | None) -> dict[str, Any]:
    """Return the source that reads documents: a folder of them, or one file with the folder that its pictures lie in."""
    if table is None or (table == where and _stands_alone(where.resolve().parent)):
        return {"name": "interleaved_docs", "path": _shown(where)}
    return {"name": "interleaved_docs", "path": _shown(table.parent), "documents": table.name}


def _is_sharded(path: Path) -> bool:
    """Return whether a path is a shard, or a folder that has shards and no pictures."""
    if not path.is_dir():
        return is_shard(path.name)
    names = [name for name, _ in files_below(path)[0]]
    kinds = {Path(name).suffix.lower() for name in names}
    return any(map(is_shard, names)) and kinds.isdisjoint(PICTURES)


def _check_watchable(folder: Path) -> None:
    """Raise DataError for what stops DVC, which takes the digest of every file in the folder."""
    files, passed = files_below(folder)
    stopping = {
        NO_FILES: passed.get(NO_FILES, []),
        UNREADABLE_FOLDERS: passed.get(UNREADABLE_FOLDERS, []),
        "files that cannot be read": [name for name, path in files if not os.access(path, os.R_OK)],
    }
    for what, names in stopping.items():
        if names:
            raise DataError(
                f"{folder} has {what} ({counted(names)}), and DVC, which keeps watch over the folder, stops at these. Take "
                "them out of it, or make them readable."
            )


def _stands_alone(folder: Path) -> bool:
    """Return whether a table's folder is too much to watch: ours, the home, one above them, or mostly other files."""
    if any(inside.is_relative_to(folder) for inside in (Path.cwd().resolve(), Path.home())):
        return True
    files, _ = files_below(folder)
    others = sum(Path(name).suffix.lower() not in PICTURES for name, _ in files)
    return others > max(10, len(files) // 2)


def _shown(path: Path) -> str:
    whole, here = path.resolve(), Path.cwd().resolve()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)
