"""Select what a recipe can learn from: samples that have what it needs, and a sentence where the data has none of it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import EXAMPLES, Report
from components.contracts.errors import DataError
from components.contracts.needs import Needs
from components.validation.lines import Line
from components.validation.needs import refusal, run_needs


def select_needed(
    recipe: str, needs: Needs, manifest: pa.Table, kinds: Mapping[str, pa.Table], splits: Sequence[str]
) -> tuple[pa.Table, Report, list[Line]]:
    """Return the rows that have what is needed, in their order, the counts, and what was checked.

    Raises DataError when the data has no row of a kind that is needed, or a split has nothing left.

    Args:
        recipe: its name, for messages.
        needs: in numbers, see Needs.at.
        manifest: rows of `splits`.
        kinds: kind -> rows of its table.
        splits: that must not be empty afterwards.
    """
    if why := refusal(recipe, needs, kinds):
        raise DataError(why)
    lines, failed = run_needs(needs, manifest, kinds)
    stays = np.ones(len(manifest), bool)
    stays[list(failed)] = False
    selected = manifest.filter(pa.array(stays))
    dropped = Counter(finding.reason for _, finding in sorted(failed.items()))
    for split in splits:
        if not pc.any(pc.equal(selected["split"], split)).as_py():
            most = dropped.most_common(1)[0][0]
            why = next(finding.detail for finding in failed.values() if finding.reason == most)
            raise DataError(
                f"the recipe {recipe} needs what no sample of the split {split!r} has; of all, {len(failed):,} of "
                f"{len(manifest):,} lack something, mostly {most}: {why}. Bring data that has it, or ask for less in "
                "curation.needs."
            )
    keys = manifest["key"]
    examples = {
        reason: tuple(keys[row].as_py() for row, one in sorted(failed.items()) if one.reason == reason)[:EXAMPLES]
        for reason in dropped
    }
    report = Report(
        op="select_needed", rows_in=len(manifest), rows_out=len(selected), dropped=dict(dropped), examples=examples
    )
    return selected, report, lines
