"""Read a Croissant description by mlcroissant, in an environment of its own, and print what came: python mlcroissant_side.py DESCRIPTION."""

import hashlib
import json
import sys
from importlib.metadata import version

import mlcroissant


def main() -> None:
    """Print, as JSON, the errors and the records of both sets by key."""
    said = sys.argv[1]
    issues = mlcroissant.Dataset(jsonld=said).metadata.issues
    # A data set of its own for each: in 1.1.1 a second iteration over one gives keys in place of records.
    samples = {
        row["samples/key"].decode(): [row["samples/width"], [text.decode() for text in row["samples/captions"]]]
        for row in mlcroissant.Dataset(jsonld=said).records("samples")
    }
    pictures = {
        row["pictures/key"].decode(): hashlib.sha256(row["pictures/image"].tobytes()).hexdigest()
        for row in mlcroissant.Dataset(jsonld=said).records("pictures")
    }
    told = {
        "version": version("mlcroissant"),
        "errors": sorted(issues.errors),
        "samples": samples,
        "pictures": pictures,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
