"""Folds: where few pictures choose, those that are learnt from choose as well, each where it was left out.

Source: Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x (cross-validatory choice). Differs: what is chosen is the candidate and the variant of a way; it is learnt
again from the training split alone, so that its score on the validation split is of pictures that it has not learnt from, as that of every tuning is.
For towers that have not learnt from these pictures: of those that have, a picture that was left out is no new one, so what was chosen before is taken.
Pictures of one series lie in one fold, as they lie in one split.
Axes: N pictures, L labels, F folds.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
from jaxtyping import Int

from components.contracts.progress import Progress, silent
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
from components.finetuning.labels.way import Answered, Fitted, LabelVectors, LabelWay, Seen, Shown

FOLDS = 5
DIGITS = 9  # by which sums of the same numbers in another order are equals


def fit(way: LabelWay, seen: Seen, begun: LabelVectors, progress: Progress = silent) -> Fitted:
    """Return what `way.fit` does, chosen by folds of both splits where there are fewer than FEW_TO_CHOOSE_BY pictures to choose by.

    A way whose learning is bound by time has half of it for all folds, and half for what is taken. Where captions of a label differ, what they say is not asked
    for then: those of a picture that is left out are among them. A series is left out whole, so where a label has fewer series than there are folds, some fold
    has fewer pictures of it to learn from, or its text alone. Where all pictures are of one series nothing can be left out, and `val` chooses alone.

    Args:
        seen: by towers that have not learnt from its pictures.
    """
    if not few(len(seen.val.label)):
        return way.fit(seen, begun, progress)
    if seen.choice.captions_differ:
        seen = replace(seen, choice=replace(seen.choice, said={label: (label,) for label in seen.choice.labels}))
    label, series, scale = both(seen).label, both(seen).series, seen.embedder.logit_scale
    apart = len(label) if series is None else len(np.unique(series))
    if apart < 2:
        return way.fit(seen, begun, progress)
    count = min(FOLDS, apart) if way.learns else 1
    fold = dealt(label, count, seen.seed, series)
    taken = list(way.in_time(2).candidates(seen, begun, progress))
    right, log = (defaultdict[tuple[int, int], np.ndarray](lambda: np.full(len(label), np.nan)) for _ in range(2))
    part = way.in_time(2 * count)
    for done, (out, of) in enumerate(folds(seen, fold), 1):
        told = partial(_told, progress, f", fold {done} of {count}")
        for place, found in enumerate(islice(part.candidates(of, begun, told), len(taken))):
            for at, (_, one) in enumerate(part.variants(begun, found)):
                answered = of.val.answered(one, scale)
                right[place, at][out], log[place, at][out] = answered.right, answered.log
    whole = {
        which: Answered(right=right[which].astype(bool), log=log[which], label=label)
        for which in log
        if not np.isnan(log[which]).any()  # a fold had no time for it, or too few pictures
    }
    place, at = which = max(
        whole, key=lambda one: tuple(round(number, DIGITS) for number in whole[one].judged())
    )  # the first of equals
    strength, vectors = next(islice(way.variants(begun, taken[place]), at, None))
    return Fitted(
        vectors=vectors, strength=strength, score=seen.val.answered(vectors, scale).score(), tried=len(log), which=which, chosen_by=whole[which].score(),
        begun_by=both(seen).answered(begun, scale).score(),
    )  # fmt: skip


def again(
    way: LabelWay, seen: Seen, begun: LabelVectors, which: tuple[int, int], progress: Progress = silent
) -> Fitted:
    """Return what a way comes to by a candidate and a variant that were chosen before; of candidates for which there is no time the last before."""
    *_, found = islice(way.candidates(seen, begun, progress), which[0] + 1)
    strength, vectors = next(islice(way.variants(begun, found), which[1], None))
    score = seen.val.answered(vectors, seen.embedder.logit_scale).score()
    return Fitted(
        vectors=vectors, strength=strength, score=score, tried=1, which=which, chosen_by=score,
        begun_by=seen.val.answered(begun, seen.embedder.logit_scale).score(),
    )  # fmt: skip


def few(held: int) -> bool:
    """Return whether so many pictures to choose by are few."""
    return held < FEW_TO_CHOOSE_BY


def folds(seen: Seen, fold: Int[np.ndarray, "N"]) -> Iterator[tuple[Int[np.ndarray, "_"], Seen]]:
    """Yield both splits parted anew for each fold: the places of those that choose, and who learns from the others; with a single fold nobody does."""
    shown = both(seen)
    for held in range(int(fold.max()) + 1):
        left, out = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        yield out, replace(seen, train=_part(shown, left), val=_part(shown, out))


def both(seen: Seen) -> Shown:
    """Return the pictures of both splits, those to learn from first."""
    splits = seen.train, seen.val
    image, label = (np.concatenate([getattr(split, of) for split in splits]) for of in ("image", "label"))
    series = [split.series for split in splits if split.series is not None]
    return Shown(image=image, label=label, series=np.concatenate(series) if series else None)


def dealt(
    label: Int[np.ndarray, "N"], count: int, seed: int, series: Int[np.ndarray, "N"] | None = None
) -> Int[np.ndarray, "N"]:
    """Return the fold of each picture: label by label, in an order of the seed, one fold after the other; a series as a whole.

    Series are dealt as scikit-learn's StratifiedGroupKFold does, the largest first, each to the fold that has least of its labels, but by squares of shares
    in place of their deviations; of equals to that with the fewest pictures, so that no fold is empty where there are as many series.
    """
    shuffled = np.random.default_rng(seed).permutation(len(label))
    if series is not None:
        return _dealt_whole(label, count, shuffled, series)
    order = shuffled[np.argsort(label[shuffled], kind="stable")]
    fold = np.empty(len(label), int)
    fold[order] = np.arange(len(label)) % count
    return fold


def _dealt_whole(
    label: Int[np.ndarray, "N"], count: int, shuffled: Int[np.ndarray, "N"], series: Int[np.ndarray, "N"]
) -> Int[np.ndarray, "N"]:
    often = np.bincount(label)
    members = {one: np.flatnonzero(series == one) for one in dict.fromkeys(series[shuffled].tolist())}
    fold, has = np.empty(len(label), int), np.zeros((count, len(often)))  # (F, L)
    for places in sorted(members.values(), key=len, reverse=True):
        its = np.bincount(label[places], minlength=len(often))
        crowded = has @ (
            its / np.maximum(often, 1) ** 2
        )  # what the sum of squared shares grows by, but for what is the same of all
        to = min(range(count), key=lambda one: (round(crowded[one], DIGITS), has[one].sum(), one))
        fold[places] = to
        has[to] += its
    return fold


def _told(progress: Progress, more: str, doing: str, done: int, total: int, **seen: float) -> None:
    progress(doing + more, done, total, **seen)


def _part(shown: Shown, places: Int[np.ndarray, "_"]) -> Shown:
    return Shown(
        image=shown.image[places], label=shown.label[places], series=None if shown.series is None else shown.series[places]
    )  # fmt: skip
