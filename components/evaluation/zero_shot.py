"""Zero-shot classification: which group a picture belongs to, asked of the text tower, with no label in training.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (a class is the mean of the unit vectors of its prompts, of unit
length again; softmax at the learned scale). Differs: besides templates around the label, the prompts of a group can be the
names of the trained things in it, and the softmax can be taken over all prompts and summed by group, which is the model's
own probability that the picture's name is one of the group's; its scale can be a share of the learned one, since a model is
too sure of pictures unlike those it was trained on. Ties count against the model.
Golden: open_clip.build_zero_shot_classifier, float32, rtol 1e-5.
Axes: I pictures, L labels, P prompts of all labels, D shared width.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.evaluation.bootstrap import drawn, mean_interval, middle, summed
from components.evaluation.groups import Among, Grouped, choices, of_nearest
from components.evaluation.namesakes import Namesakes
from components.evaluation.prompts import PLACE, Asked, asked_by, one_prompt
from components.evaluation.retrieval import nearest, ranks

Shares = Callable[[np.ndarray], np.ndarray]
"""What is made of unit rows [I D] of pictures: the share of each label [I L]."""

Prompting = Literal["label", "templates", "members"]
Join = Literal["mean", "sum"]
PROMPTS_MEAN: Mapping[Prompting, str] = {
    "label": "the group's own name",
    "templates": "templates around the group's name",
    "members": "the names of the trained things in each group",
}
JOINS_MEAN: Mapping[Join, str] = {"mean": "the mean of", "sum": "the summed softmax over"}


class ZeroShot(Evaluator):
    """Accuracy of choosing among the groups of a label, on every pool that has them.

    The label's own text as the only prompt is always measured too, under `.one_prompt`, so that what prompts add is seen.
    Chance is a blind guess among all groups, k of L. The baseline is the nearest training picture's group; of a model of which no training
    picture is known, the blind guess.

    Args:
        label: which groups, such as `category`.
        prompts: what a group is asked by: `label`, its own text; `templates`, that text in each template; `members`, the
            names of the trained things in it. Choose on `val`; no test text is ever a prompt.
        join: several prompts of a group become one vector, their `mean`, or each has its share of the softmax and the
            group has their `sum`.
        templates: each with one {} for the label; used by `templates` alone.
        sharpness: what the learned scale is multiplied with in the softmax. Below 1, the many near names of a group count
            for more beside the nearest one of another; under `mean` it changes shares, but no order.
        top: k of top-k accuracy; those that are no choice, being as many as the groups, are left out.
        per_class: whether recall at 1 is also meaned over the groups that have pictures, each as much as any other, as
            `.mean_per_class`: balanced accuracy.
        called: what a label is called in prompts, where it is not called what it is; names all labels, in the order of a list. Of labels that are
            called alike, the one is answered that CLIP_benchmark would answer (namesakes.py).
        served: whether labels.json keeps these groups and prompts, for the server to classify by.
        among: the groups that there is to choose from: `all`, those of training pictures too, or those of the `pools` that are measured, as of a set of
            others, whose label may be one's own with other groups.

    Raises ConfigError for a template without a place, for `templates` without any, and for a sharpness not above 0.
    """

    def __init__(
        self,
        label: str = "category",
        prompts: Prompting = "members",
        join: Join = "mean",
        templates: Sequence[str] = (),
        sharpness: float = 1.0,
        top: Sequence[int] = (1,),
        per_class: bool = False,
        called: Mapping[str, str] | None = None,
        served: bool = False,
        among: Among = "all",
    ) -> None:
        wrong = [template for template in templates if template.count(PLACE) != 1]
        if wrong or (prompts == "templates") != bool(templates):
            raise ConfigError(
                f"templates is {list(templates)} with prompts {prompts!r}. Prompts by template need at least one, each with "
                f"{PLACE} once where the label goes, such as 'a picture of {PLACE}'; others take none."
            )
        if not 0 < sharpness < math.inf:
            raise ConfigError(
                f"sharpness is {sharpness}, but the learned scale is multiplied with it. Give 1 for the learned scale itself, less "
                "for a flatter softmax."
            )
        self.label, self.prompts, self.join, self.templates = label, prompts, join, tuple(templates)
        self.sharpness, self.top, self.per_class, self.served = sharpness, tuple(top), per_class, served
        self.called, self.among = dict(called or {}), among

    def measure(self, subject: Subject) -> Findings:
        """Return `zero_shot.<split>.<label>.top<k>` with a row a picture; in `without`, why there are none."""
        labels, why = choices(subject, self.label, self.among)
        if why:
            return Findings(without={f"zero_shot.{split}.{self.label}": why for split in subject.pools})
        if self.called:
            labels = self._listed(labels)
        asked = self.asked(subject, labels)
        plain = one_prompt({label: self._text(label) for label in labels}, subject.encoder.texts)
        metrics: list[Metric] = []
        rows, without = {}, {}
        for split, pool in subject.pools.items():
            if not any(pool.labelled(self.label)):
                without[f"zero_shot.{split}.{self.label}"] = f"no picture of {split} has a {self.label}"
                continue
            known = Grouped.of(pool, self.label, labels)
            measured, rows[f"zero_shot.{split}"] = self._split(subject, split, known, labels, asked, plain)
            metrics += measured
        files = {"labels.json": self._served(labels, self._prompts(subject, labels))} if self.served else {}
        return Findings(metrics=tuple(metrics), rows=rows, files=files, without=without)

    def prompts_of(
        self, labels: Sequence[str], captions: Sequence[Sequence[str]], groups: Sequence[str | None]
    ) -> dict[str, tuple[str, ...]]:
        """Return the prompts of each label, each once; a group that was not trained on is asked by its own text.

        Args:
            labels: all of them.
            captions: texts of each training picture.
            groups: the label of each training picture.
        """
        if self.prompts == "templates":
            return {label: tuple(each.replace(PLACE, self._text(label)) for each in self.templates) for label in labels}
        members: dict[str, dict[str, None]] = {label: {} for label in labels}
        if self.prompts == "members":
            for texts, group in zip(captions, groups, strict=True):
                if group in members:
                    members[group] |= dict.fromkeys(texts)
        return {label: tuple(members[label]) or (self._text(label),) for label in labels}

    def asked(self, subject: Subject, labels: Sequence[str]) -> Shares:
        """Return what shares a picture's probability out among the labels, as this asks for them."""
        asked = asked_by(self._prompts(subject, labels), subject.encoder.texts, self.join)
        scale = subject.encoder.logit_scale * self.sharpness
        return lambda image: asked.shares(image, scale)

    @property
    def method(self) -> str:
        """How a group is asked for, in words."""
        flat = "" if self.sharpness == 1 else f", at {self.sharpness:g} of the learned scale"
        if self.prompts == "label":
            return PROMPTS_MEAN["label"] + flat
        said = f"{JOINS_MEAN[self.join]} {PROMPTS_MEAN[self.prompts]}{flat}"
        return f"{said}: {', '.join(self.templates)}" if self.templates else said

    def _listed(self, labels: Sequence[str]) -> list[str]:
        """Return labels in the order of the list; ConfigError for one that is not on it."""
        places = {label: place for place, label in enumerate(self.called)}
        if lost := [label for label in labels if label not in places]:
            raise ConfigError(
                f"called says nothing of {', '.join(lost[:5])}, so nobody knows where these stand in the list. Name every {self.label}, by "
                "itself where it is called what it is."
            )
        return sorted(labels, key=places.__getitem__)

    def _text(self, label: str) -> str:
        return self.called.get(label, label)

    def _prompts(self, subject: Subject, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return self.prompts_of(labels, subject.train.captions, subject.train.labelled(self.label))

    def _split(
        self, subject: Subject, split: str, known: Grouped, labels: Sequence[str], asked: Shares, plain: Asked
    ) -> tuple[list[Metric], pa.Table]:
        """Return what one pool gives, its pictures without a label left out."""
        image, belongs = subject.embedded(split)[known.has], known.belongs
        shares, single_shares = asked(image), plain.shares(image, subject.encoder.logit_scale)
        namesakes = Namesakes.of([self._text(label) for label in labels])
        if namesakes:
            shares, single_shares = namesakes.tied(shares), namesakes.tied(single_shares)
        ours, single = ranks(shares, belongs), ranks(single_shares, belongs)
        each = ours  # as the mean over groups counts it
        if namesakes:
            k = max((k for k in self.top if k <= len(labels)), default=1)
            ours, each = namesakes.untied(ours, shares, belongs, k)
            single, _ = namesakes.untied(single, single_shares, belongs, k)
        theirs = None
        if subject.train.keys:  # of a foreign model nobody knows what it was trained on
            theirs = ranks(of_nearest(subject, split, self.label, labels)[known.has], belongs)
        name = f"zero_shot.{split}.{self.label}"
        about, seed = known.about, subject.seed
        tally = Tally(rows=f"zero_shot.{split}", where={"set": self.label}, column="rank")
        metrics = _metrics(name, self.method, self.top, (ours, theirs), len(labels), about, seed, tally)
        if self.per_class:
            right = each <= 1, None if theirs is None else theirs <= 1
            metrics.append(mean_per_class(name, self.method, right, known.groups, len(labels), about, seed))
        if self.prompts != "label":
            one = f"{name}.one_prompt", PROMPTS_MEAN["label"], self.top[:1]
            metrics += _metrics(
                *one, (single, theirs), len(labels), about, seed, replace(tally, column="one_prompt_rank")
            )
        rows = pa.table(
            {
                "split": [split] * len(known.keys), "set": [self.label] * len(known.keys), "query": known.keys, "group": known.about,
                "label": known.groups,
                "rank": pa.array(ours, pa.int32()), "one_prompt_rank": pa.array(single, pa.int32()),
                "baseline_rank": pa.nulls(len(known.keys), pa.int32()) if theirs is None else pa.array(theirs, pa.int32()),
                "first": [labels[place] for place in np.where(ours == 1, belongs.argmax(1), nearest(shares, belongs))],
                "first_share": pa.array(shares.max(1), pa.float32()), "first_right": ours == 1,
            }
        )  # fmt: skip
        return metrics, rows

    def _served(self, labels: Sequence[str], prompts: Mapping[str, Sequence[str]]) -> dict[str, object]:
        """Return what labels.json says, for the very labels and prompts to be served that were measured."""
        return {
            "set": self.label, "templates": list(self.templates or (PLACE,)), "join": self.join, "sharpness": self.sharpness,
            "labels": list(labels), "prompts": {label: list(texts) for label, texts in prompts.items()},
        }  # fmt: skip


def _metrics(
    name: str, method: str, top: Sequence[int], placed: tuple[np.ndarray, np.ndarray | None], labels: int, about: Sequence[str], seed: int,
    tally: Tally,
) -> list[Metric]:  # fmt: skip
    metrics, (ours, theirs) = [], placed
    for k in (k for k in top if k < labels):
        low, high = mean_interval(ours <= k, about, seed)
        metrics.append(
            Metric(
                name=f"{name}.top{k}", value=float((ours <= k).mean()), unit="fraction", better="up", n=len(ours),
                chance=k / labels, baseline=k / labels if theirs is None else float((theirs <= k).mean()), method=f"1 of {labels} by {method}", low=low, high=high,
                tallies=(replace(tally, at_most=k),),
            )
        )  # fmt: skip
    return metrics


def mean_per_class(
    name: str, method: str, right: tuple[np.ndarray, np.ndarray | None], truth: Sequence[str], labels: int, about: Sequence[str], seed: int
) -> Metric:  # fmt: skip
    """Return recall at 1 meaned over the groups that have pictures; its interval draws from each as many as it has, and is none where one has a single thing to draw."""
    ours, theirs = right
    places: dict[str, list[int]] = {}
    for place, label in enumerate(truth):
        places.setdefault(label, []).append(place)
    own = [np.array(places[label]) for label in sorted(places)]
    again, alone = [], False
    for number, at in enumerate(own):
        sums = summed(np.stack([ours[at], np.ones(len(at))], 1), [about[place] for place in at])
        drawn_again, having = drawn(sums, (seed, number)), len(sums)
        alone |= having == 1
        wider = np.sqrt(having / max(having - 1, 1))  # draws spread too little by one
        found = ours[at].mean()
        again.append(found + (drawn_again[:, 0] / drawn_again[:, 1] - found) * wider)
    low, high = (None, None) if alone else _within(*middle(np.mean(again, 0)))
    return Metric(
        name=f"{name}.mean_per_class", value=_balanced(ours, own), unit="fraction", better="up", n=len(ours), chance=1 / labels,
        baseline=1 / labels if theirs is None else _balanced(theirs, own), method=f"1 of {labels} by {method}", low=low, high=high,
    )  # fmt: skip


def _within(low: float, high: float) -> tuple[float, float]:
    return max(0.0, low), min(1.0, high)


def _balanced(right: np.ndarray, own: Sequence[np.ndarray]) -> float:
    return float(np.mean([right[places].mean() for places in own]))
