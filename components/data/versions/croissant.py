"""Croissant metadata of a snapshot: what its files are, and what a row of the manifest holds, as JSON-LD that others read.

Source: MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0. The manifest is a Parquet file object with its sha256, and so is each shard, a tar: mlcroissant
unpacks archives that are file objects, and no sets of them. The pictures in them are a file set; the record set `samples` has one field a column and the captions, and `pictures`
the pictures, which the key joins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from components.contracts.sealed import sha256_of
from components.data.sources.files import PICTURES

CONTEXT: Mapping[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"}, "dct": "http://purl.org/dc/terms/",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "equivalentProperty": "cr:equivalentProperty",
    "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
    "parentField": "cr:parentField", "path": "cr:path", "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
_FORMATS = ("image/png", "image/jpeg", "image/webp")
_COLUMNS = {
    "key": ("sc:Text", "names the sample"), "split": ("sc:Text", "train, val, or a test split"),
    "source": ("sc:Text", "who made the picture"), "licence": ("sc:Text", "SPDX identifier of the picture's licence"),
    "shard": ("sc:Text", "the archive that holds the picture"),
    "offset": ("sc:Integer", "bytes from the archive's start to the picture's first"),
    "size_bytes": ("sc:Integer", "of the encoded picture"), "sha256": ("sc:Text", "of the encoded picture"),
    "width": ("sc:Integer", "pixels"), "height": ("sc:Integer", "pixels"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file as it lies here."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read the file, for its digest."""
        return cls(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def croissant(
    name: str, came_in: Mapping[str, Any], manifest: Kept, shards: Mapping[str, Kept], licences: Sequence[str]
) -> dict[str, Any]:
    """Return the JSON-LD of a snapshot.

    Args:
        came_in: its source.json.
        manifest: the file manifest.parquet.
        shards: path of each below the snapshot -> the file.
        licences: SPDX identifiers of its pictures.
    """
    files = [
        _file("manifest.parquet", "application/x-parquet", manifest, "A row a sample."),
        *(_file(path, "application/x-tar", kept, "Pictures and words in WebDataset's layout.") for path, kept in shards.items()),
        {
            "@type": "cr:FileSet", "@id": "picture-files", "name": "picture-files", "containedIn": [{"@id": path} for path in shards],
            "encodingFormat": list(_FORMATS), "includes": [f"*{suffix}" for suffix in PICTURES], "description": "The pictures.",
        },
    ]  # fmt: skip
    fields: list[dict[str, Any]] = [
        {
            "@type": "cr:Field", "@id": f"samples/{column}", "name": column, "description": says, "dataType": kind,
            "source": {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": column}},
        }
        for column, (kind, says) in _COLUMNS.items()
    ]  # fmt: skip
    fields[0]["references"] = {"field": {"@id": "pictures/key"}}
    fields.append(
        {
            "@type": "cr:Field",
            "@id": "samples/captions",
            "name": "captions",
            "dataType": "sc:Text",
            "repeated": True,
            "description": "what is said of the picture",
            "source": {
                "fileObject": {"@id": "manifest.parquet"},
                "extract": {"column": "texts"},
                "transform": {"jsonPath": "$[*].text"},
            },
        }
    )
    samples = {
        "@type": "cr:RecordSet", "@id": "samples", "name": "samples", "key": {"@id": "samples/key"}, "field": fields,
        "description": f"{came_in['samples']:,} pictures with words.",
    }  # fmt: skip
    return {
        "@context": dict(CONTEXT), "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0", "name": name,
        "description": f"{came_in['samples']:,} pictures with words; snapshot {came_in['digest']}.",
        "version": "1.0.0", "license": [f"https://spdx.org/licenses/{one}" for one in licences], "url": f"urn:sha256:{came_in['digest']}",
        "distribution": files, "recordSet": [samples, _pictures()],
    }  # fmt: skip


def _file(path: str, kind: str, kept: Kept, says: str) -> dict[str, Any]:
    """Return the file object of a file."""
    return {
        "@type": "cr:FileObject", "@id": path, "name": path, "contentUrl": path, "encodingFormat": kind, "sha256": kept.sha256,
        "contentSize": f"{kept.size_bytes} B", "description": says,
    }  # fmt: skip


def _pictures() -> dict[str, Any]:
    """Return the record set of the pictures in the shards."""
    taken = {
        "key": ("sc:Text", {"extract": {"fileProperty": "filename"}, "transform": {"regex": "^([^.]+)"}}),
        "image": ("sc:ImageObject", {"extract": {"fileProperty": "content"}}),
    }
    fields = [
        {
            "@type": "cr:Field", "@id": f"pictures/{name}", "name": name, "description": f"of the picture: {name}", "dataType": kind,
            "source": {"fileSet": {"@id": "picture-files"}, **how},
        }
        for name, (kind, how) in taken.items()
    ]  # fmt: skip
    return {
        "@type": "cr:RecordSet", "@id": "pictures", "name": "pictures", "key": {"@id": "pictures/key"}, "field": fields,
        "description": "The pictures, each called by its sample's key.",
    }  # fmt: skip
