"""`python imagededup_side.py FOLDER`: which pictures go, by its perceptual hash with its defaults. A line of JSON."""

import json
import sys
from importlib.metadata import version

from imagededup.methods import PHash


def main() -> None:
    """Look, and print."""
    hashes = PHash(verbose=False)
    removed = hashes.find_duplicates_to_remove(image_dir=sys.argv[1], num_enc_workers=0, num_dist_workers=0)
    print(json.dumps({"version": version("imagededup"), "removed": sorted(removed)}))


if __name__ == "__main__":
    main()
