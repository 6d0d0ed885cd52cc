"""Whether a challenger may search the champion's index as it is: a paired bootstrap of its queries and the champion's own, on the same vectors.

Source: Shen et al. 2020, arXiv:2003.11942, section 3.1, the criterion, which is asked of every query at once; the bootstrap is the gate's.
"""

from collections.abc import Mapping
from dataclasses import replace

from components.contracts.promotion import COMPATIBLE, Finding, Held, Rules
from components.evaluation.bootstrap import FEWEST, middle
from components.evaluation.gate import compared
from components.evaluation.old_index import DIRECTION, KIND
from components.evaluation.outcomes import Evaluated
from components.evaluation.ruled import change


def works_on_old_index(
    ours: Evaluated, old: Mapping[str, str], rules: Rules, seed: int = 0, split: str = "pair"
) -> Finding:
    """Return whether new queries are shown to be no worse on the old index, by a margin, than the old model's own.

    It fails where that is not shown and no number of queries more would, is uncertain where more would, and missing where it was not asked.

    Args:
        ours: the challenger's evaluation, with the rows of OldIndex.
        old: `label` of the model whose index it is.
        rules: alpha, by how much recall at 1 may fall (`old_index`), and how many draws.
        seed: of the draws.
        split: whose queries are counted.
    """
    margin = rules.old_index
    name, rows = f"{KIND}.{split}.{DIRECTION}.recall_at_1", f"{KIND}.{split}"
    if name not in ours.metrics or rows not in ours.rows:
        says = f"{ours.label} was not asked on the index of {old['label']}"
        return Finding(rule=COMPATIBLE, metric=name, held="missing", says=says)
    table = ours.rows[rows]
    place = table.column_names.index("rank")
    before = replace(
        ours, label=old["label"], rows={**ours.rows, rows: table.set_column(place, "rank", table["baseline_rank"])}
    )
    found = compared(ours, before, name, rules, seed)
    shown, refuted = found.above(-margin) <= rules.alpha, found.below(-margin) <= rules.alpha
    more = None if shown else found.more(-margin, rules)
    held: Held = "holds" if shown else "fails" if refuted or more is None else "uncertain"
    if found.groups < FEWEST:
        held, more = "uncertain", max(1, FEWEST - found.groups)
    no_worse = (
        f"not worse by more than {change(ours.metrics[name], margin)} than queries of {old['label']} on its index"
    )
    words = {
        "holds": f"shown to be {no_worse}",
        "fails": f"not shown to be {no_worse}",
        "uncertain": f"not shown to be {no_worse}, nor the contrary",
    }
    low, high = middle(found.draws, 1 - 2 * rules.alpha)
    return Finding(
        rule=COMPATIBLE, metric=name, held=held, says=words[held], ours=found.ours, theirs=found.theirs, difference=found.value, low=low, high=high,
        margin=margin, queries=found.queries, groups=found.groups, more=more if held == "uncertain" else None,
    )  # fmt: skip
