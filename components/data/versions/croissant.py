"""Croissant metadata of a snapshot: what its files are, and what a row of the manifest holds, as JSON-LD that others read.

Source: MLCommons Croissant 1.0, http://mlcommons.org/croissant/1.0. The manifest is a Parquet file object with its sha256, the shards a
file set of tar archives with a file set of pictures in them; the record set `samples` has one field a column and the captions, and `pictures`
the pictures, which the key joins.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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
_COLUMNS = {
    "key": ("sc:Text", "names the sample"), "split": ("sc:Text", "train, val, or a test split"),
    "source": ("sc:Text", "who made the picture"), "licence": ("sc:Text", "SPDX identifier of the picture's licence"),
    "shard": ("sc:Text", "the archive that holds the picture"),
    "offset": ("sc:Integer", "bytes from the archive's start to the picture's first"),
    "size_bytes": ("sc:Integer", "of the encoded picture"), "sha256": ("sc:Text", "of the encoded picture"),
    "width": ("sc:Integer", "pixels"), "height": ("sc:Integer", "pixels"),
}  # fmt: skip


def croissant(
    name: str, came_in: Mapping[str, Any], manifest_sha256: str, manifest_bytes: int, licences: Sequence[str]
) -> dict[str, Any]:
    """Return the JSON-LD of a snapshot.

    Args:
        came_in: its source.json.
        manifest_sha256: of manifest.parquet.
        licences: SPDX identifiers of its pictures.
    """
    files = [
        {
            "@type": "cr:FileObject", "@id": "manifest.parquet", "name": "manifest.parquet", "contentUrl": "manifest.parquet",
            "encodingFormat": "application/x-parquet", "sha256": manifest_sha256, "contentSize": f"{manifest_bytes} B",
            "description": "A row a sample.",
        },
        {
            "@type": "cr:FileSet", "@id": "shards", "name": "shards", "encodingFormat": "application/x-tar", "includes": "*/*.tar",
            "description": "Pictures and words in WebDataset's layout.",
        },
        {
            "@type": "cr:FileSet", "@id": "picture-files", "name": "picture-files", "containedIn": {"@id": "shards"},
            "encodingFormat": "image/*", "includes": [f"*{suffix}" for suffix in PICTURES], "description": "The pictures.",
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
