"""Whether a model was measured with pictures that its start was trained on, by the fingerprints that the evaluator Leakage kept.

What a run was given says nothing of what its start learnt before, in which today's pools may be found: under another seed or other groups the same pictures
are split otherwise.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.promotion import Finding
from components.data.fingerprint import FINGERPRINT
from components.evaluation.gate import some_of
from components.evaluation.outcomes import Evaluated

RULE = "leakage"


def start_leaks(ours: Evaluated, trained: Mapping[str, pa.ChunkedArray], unknown: Sequence[str] = ()) -> list[Finding]:
    """Return each pool with pictures that a start was trained on, and which; that there are none; and of which start nobody can tell, from which nothing follows.

    Such pictures are for a person to judge, and no failure as those of the run itself are: as one's own data grows some groups move from `train` to the
    pools, and a champion that is the start has learnt from them as well. Of a public checkpoint nobody knows, and it may be begun from all the same.

    Args:
        ours: the evaluation.
        trained: what was begun as -> the fingerprints of what that was trained on.
        unknown: what was begun as, of which these are not known.
    """
    rows = ours.rows.get(RULE)
    if rows is None or FINGERPRINT not in rows.column_names:
        whose = " and ".join([*trained, *unknown])
        says = f"with what {whose} was trained on cannot be told: the evaluation does not say which pictures it was measured with. Make it again: dvc repro"
        return [Finding(rule=RULE, metric=RULE, held="told", says=says)] if whose else []
    found = list[Finding]()
    for name, its in trained.items():
        seen = rows.filter(pc.is_in(rows[FINGERPRINT], value_set=its.combine_chunks()))
        for split in pc.unique(seen["split"]).to_pylist():
            keys = seen.filter(pc.equal(seen["split"], split))["query"].to_pylist()
            of = pc.sum(pc.equal(rows["split"], split)).as_py()
            says = (
                f"{len(keys)} of {of} pictures of {split} are what it began as, {name}, was trained on, such as {some_of(keys)}: numbers of these say more "
                "than they know of others. Begin from a model that has not seen them, or keep seed and groups as that had them"
            )
            found.append(Finding(rule=RULE, metric=f"{RULE}.{split}", held="uncertain", says=says, ours=len(keys) / of))
    if trained and not found:
        says = f"is none of its start: {' and '.join(trained)} was trained on no picture that it was measured with"
        found.append(Finding(rule=RULE, metric=RULE, held="holds", says=says))
    if unknown:
        says = f"of its start cannot be told: nobody here knows what {' and '.join(unknown)} was trained on"
        found.append(Finding(rule=RULE, metric=RULE, held="told", says=says))
    return found
