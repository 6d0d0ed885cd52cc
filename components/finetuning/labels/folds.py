"""Folds: where few pictures choose, those that are learnt from choose as well, each where it was left out.

Source: Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x (cross-validatory choice). Differs: what is chosen is the candidate, strength and sharpness of a way; it is learnt
again from the training split alone, so that its score on the validation split is of pictures that it has not learnt from, as that of every tuning is.
For towers that have not learnt from these pictures: of those that have, a picture that was left out is no new one.
Axes: N pictures.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from components.contracts.progress import Progress, silent
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
from components.finetuning.labels.way import Fitted, LabelVectors, LabelWay, Seen, Shown

FOLDS = 5
ROUNDED = 9  # digits of a mean, so that sums of the same numbers are equals


def fit(way: LabelWay, seen: Seen, begun: LabelVectors, progress: Progress = silent) -> Fitted:
    """Return what `way.fit` does, chosen by folds of both splits where FEW_TO_CHOOSE_BY pictures or more are not there to choose by.

    A way whose learning is bound by time has as much in all. Ways are then compared by `chosen_by`; `score` is as ever on the validation split.

    Args:
        seen: by towers that have not learnt from its pictures.
    """
    if len(seen.val.label) >= FEW_TO_CHOOSE_BY:
        return way.fit(seen, begun, progress)
    part, scale, judged = (
        way.in_time(FOLDS + 1),
        seen.embedder.logit_scale,
        defaultdict[tuple[int, int], list[float]](list),
    )
    pictures, begun_by = len(seen.train.label) + len(seen.val.label), 0.0
    for fold in folds(seen):
        share = len(fold.val.label) / pictures
        begun_by += share * fold.val.judged(begun, scale)
        for place, found in enumerate(part.candidates(fold, begun, progress)):
            for at, (_, one) in enumerate(part.variants(begun, found)):
                judged[place, at].append(share * fold.val.judged(one, scale))
    of_all = [list(part.variants(begun, found)) for found in part.candidates(seen, begun, progress)]
    whole = max(map(len, judged.values()))
    mean = {
        which: round(sum(of), ROUNDED) for which, of in judged.items() if len(of) == whole and which[0] < len(of_all)
    }
    place, at = max(mean, key=mean.__getitem__)  # the first of equals
    strength, vectors = of_all[place][at]
    return Fitted(
        vectors=vectors, strength=strength, score=seen.val.judged(vectors, scale), tried=sum(map(len, of_all)), chosen_by=mean[place, at],
        begun_by=round(begun_by, ROUNDED),
    )  # fmt: skip


def folds(seen: Seen) -> Iterator[Seen]:
    """Yield both splits parted anew, FOLDS times or as often as there are pictures: each picture is chosen by once, and those of a label are dealt out over the folds."""
    image = np.concatenate([seen.train.image, seen.val.image])
    label = np.concatenate([seen.train.label, seen.val.label])
    count = min(FOLDS, len(label))
    fold = dealt(label, count, seen.seed)
    for held in range(count):
        left, out = fold != held, fold == held
        yield replace(
            seen, train=Shown(image=image[left], label=label[left]), val=Shown(image=image[out], label=label[out])
        )


def dealt(label: Int[np.ndarray, "N"], count: int, seed: int) -> Int[np.ndarray, "N"]:
    """Return the fold of each picture: label by label, in an order of the seed, one fold after the other."""
    shuffled = np.random.default_rng(seed).permutation(len(label))
    order = shuffled[np.argsort(label[shuffled], kind="stable")]
    fold = np.empty(len(label), int)
    fold[order] = np.arange(len(label)) % count
    return fold
