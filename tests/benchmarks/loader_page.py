"""The loader's numbers in docs/loading.md, rendered from docs/benchmarks/loader.json.

python -m tests.benchmarks.loader_page     # write them there
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import ROOT

PAGE, KEPT = ROOT / "docs/loading.md", ROOT / "docs/benchmarks/loader.json"
START, END = "<!-- loader: python -m tests.benchmarks.loader_page -->", "<!-- end of loader -->"
WAYS = {
    "plain": "as it is, centre cropped",
    "train": "as each trains",
    "device": "as each trains, ours with its views left to a GPU",
}


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_table(page: str, kept: Path = KEPT) -> str:
    """Return the page with what was measured in the place for it."""
    shown = render(json.loads(kept.read_text(encoding="utf-8")))
    return re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}{END}", page)


def render(said: dict[str, Any]) -> str:
    """Return samples a CPU-second, a row a way and size, and what they were measured on, as Markdown."""
    head = (
        "| a picture is shown | JPEGs | epoch | ours | open_clip | litdata | ours beside open_clip | beside litdata |"
    )
    rows = [head, "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name in (name.removeprefix("ours ") for name in said["sides"] if name.startswith("ours ")):
        way, size = name.split()
        theirs = f"{'plain' if way == 'plain' else 'train'} {size}"
        for which in ("epoch_1", "epoch_2"):
            rate = [said["sides"][one][which] for one in (f"ours {name}", f"open_clip {theirs}", f"litdata {theirs}")]
            times = [said["ratios"][f"{name} beside {peer}"][which] for peer in ("open_clip", "litdata")]
            cells = [f"{one['samples_per_cpu_s']:,.0f} ({one['lowest']:,.0f}–{one['highest']:,.0f})" for one in rate]
            rows.append(
                " | ".join([f"| {WAYS[way]}", size, which[-1], *cells, *(f"**{one:g}**" for one in times)]) + " |"
            )
    scaling, versions = said["scaling"], said["versions"]
    apart = ", ".join(f"{one} {value:g}" for one, value in said["pixels_differ"].items())
    counts = " and ".join(f"{count:,} of {size}" for size, count in said["pictures"].items())
    return (
        "\n".join(rows) + f"\n\n{verdict(said['ratios'])}\n\n"
        f"Samples a CPU-second, the median of {said['runs']} runs that took turns (lowest to highest); {counts}, to {said['pixels']} px, "
        f"{said['batch']} a batch, one core. open_clip {versions['open_clip']['open_clip_torch']} with webdataset "
        f"{versions['open_clip']['webdataset']}, litdata {versions['litdata']['litdata']}, Pillow and torch the same on all sides "
        f"({versions['ours']['pillow']}, {versions['ours']['torch']}). Measured at commit `{said['commit']}` on {said['machine']}, by "
        f"`{said['command']}`. {scaling['samples']:g} times the pictures and shards ({scaling['pictures']:,} of 500x375) cost {scaling['cpu_s']:g} times the CPU-seconds and "
        f"{scaling['private_mb']:g} times the memory (`{scaling['command']}` at `{scaling['commit']}`). Mean difference of our pixels from open_clip's for evaluation, of 255: {apart}. "
        f"Written once before, in CPU-seconds and not counted: our ingest of all sizes {said['prepared_cpu_s']['ours']:g}, litdata's "
        f"optimize of the smaller {said['prepared_cpu_s']['litdata']:g}.\n"
    )


def verdict(ratios: Mapping[str, Mapping[str, float]]) -> str:
    """Return in a sentence what the ratios are of pictures as they are."""
    plain = {name: its for name, its in ratios.items() if name.startswith("plain")}
    first = {
        peer: [its["epoch_1"] for name, its in plain.items() if name.endswith(peer)]
        for peer in ("open_clip", "litdata")
    }
    shown = " and ".join(f"{min(its):g} to {max(its):g} times {peer}" for peer, its in first.items())
    least = min(its["epoch_2"] for its in plain.values())
    return f"Of pictures as they are, ours makes {shown} while it decodes, by their size, and at least {least:g} times either from the cache."


if __name__ == "__main__":
    main()
