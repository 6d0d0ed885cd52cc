"""Zero-shot classification: which group a picture belongs to, asked of the text tower, with no label in training.

Source: Radford et al. 2021, arXiv:2103.00020, section 3.1 (a class is the mean of the unit vectors of its prompts, of unit
length again). Differs: besides templates around the label, the prompts of a group can be the names of the things in it, of
those that were trained on; ties count against the model; chance and a baseline stand beside every number.
Golden: open_clip.build_zero_shot_classifier, float32, rtol 1e-5.
Axes: I pictures, L labels, P prompts of a label, D shared width.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.evaluation.retrieval import nearest, ranks

Prompting = Literal["label", "templates", "members"]
PLACE = "{}"
SHORTEST = 1e-12  # prompts that cancel each other out have a mean of no length


class ZeroShot(Evaluator):
    """Accuracy of choosing among the groups of a label, on every pool that has them.

    The label's own text as the only prompt is always measured too, under `.one_prompt`, so that what prompts add is seen.
    Chance is a blind guess among all groups, k of L. The baseline is the nearest training picture's group.

    Args:
        label: which groups, such as `category`.
        prompts: what a group is asked by: `label`, its own text; `templates`, that text in each template; `members`, the
            names of the trained things in it. Choose on `val`; no test text is ever a prompt.
        templates: each with one {} for the label; used by `templates` alone.
        top: k of top-k accuracy; those that are no choice, being as many as the groups, are left out.
        served: whether labels.json keeps these groups and prompts, for the server to classify by.

    Raises ConfigError for a template without a place, and for `templates` without any.
    """

    def __init__(
        self,
        label: str = "category",
        prompts: Prompting = "members",
        templates: Sequence[str] = (),
        top: Sequence[int] = (1,),
        served: bool = False,
    ) -> None:
        wrong = [template for template in templates if template.count(PLACE) != 1]
        if wrong or (prompts == "templates") != bool(templates):
            raise ConfigError(
                f"ZeroShot has prompts {prompts!r} with the templates {list(templates)}. Prompts by template need at least "
                f"one, each with {PLACE} once where the label goes, such as 'a picture of {PLACE}'; others take none."
            )
        self.label, self.prompts, self.templates = label, prompts, tuple(templates)
        self.top, self.served = tuple(top), served

    def measure(self, subject: Subject) -> Findings:
        """Return `zero_shot.<split>.<label>.top<k>` with a row a picture; in `without`, why there are none."""
        train = subject.train.labelled(self.label)
        labels = sorted({one for one in (*train, *_all(subject.pools, self.label)) if one is not None})
        if len(labels) < 2:
            why = (
                f"every labelled picture has the {self.label} {labels[0]!r}"
                if labels
                else f"no picture has a {self.label}"
            )
            return Findings(without={f"zero_shot.{self.label}": f"{why}, so there is nothing to choose from"})
        asked = self.prompts_of(labels, subject.train.captions, train)
        vectors = label_vectors(labels, asked, subject.encoder.texts)
        plain = label_vectors(labels, {label: (label,) for label in labels}, subject.encoder.texts)
        owned = [() if one is None else (one,) for one in train]
        metrics, rows, without = [], {}, {}
        for split, pool in subject.pools.items():
            has = np.array([one is not None for one in pool.labelled(self.label)])
            if not has.any():
                without[f"zero_shot.{split}.{self.label}"] = f"no picture of {split} has a {self.label}"
                continue
            truth = [one for one in pool.labelled(self.label) if one is not None]
            belongs = np.array([[label == one for label in labels] for one in truth])
            image = subject.embedded(split)[has]
            scores = image @ vectors.T
            ours, one_prompt, theirs = (
                ranks(s, belongs) for s in (scores, image @ plain.T, subject.nearest(split, owned, labels)[has])
            )
            name = f"zero_shot.{split}.{self.label}"
            metrics += self._metrics(name, self.method, ours, theirs, len(labels))
            if self.prompts != "label":
                metrics += self._metrics(f"{name}.one_prompt", METHODS["label"], one_prompt, theirs, len(labels))
            first = nearest(scores, belongs)
            keys = [key for key, known in zip(pool.keys, has, strict=True) if known]
            rows[f"zero_shot.{split}"] = pa.table(
                {
                    "split": [split] * len(keys), "set": [self.label] * len(keys), "query": keys, "label": truth,
                    "rank": pa.array(ours, pa.int32()), "one_prompt_rank": pa.array(one_prompt, pa.int32()),
                    "baseline_rank": pa.array(theirs, pa.int32()), "first": [labels[place] for place in first],
                    "first_score": pa.array(scores.max(1), pa.float32()), "first_right": ours == 1,
                }
            )  # fmt: skip
        files = {"labels.json": self._served(labels, asked)} if self.served else {}
        return Findings(metrics=tuple(metrics), rows=rows, files=files, without=without)

    @property
    def method(self) -> str:
        """How a group is asked for, in words."""
        said = METHODS[self.prompts]
        return f"{said}: {', '.join(self.templates)}" if self.templates else said

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
            return {label: tuple(each.replace(PLACE, label) for each in self.templates) for label in labels}
        members: dict[str, dict[str, None]] = {label: {} for label in labels}
        if self.prompts == "members":
            for texts, group in zip(captions, groups, strict=True):
                if group is not None:
                    members[group] |= dict.fromkeys(texts)
        return {label: tuple(members[label]) or (label,) for label in labels}

    def _metrics(self, name: str, method: str, ours: np.ndarray, theirs: np.ndarray, labels: int) -> list[Metric]:
        return [
            Metric(
                name=f"{name}.top{k}", value=float((ours <= k).mean()), unit="fraction", better="up", n=len(ours),
                chance=k / labels, baseline=float((theirs <= k).mean()), method=f"of {labels} by {method}",
            )
            for k in self.top
            if k < labels
        ]  # fmt: skip

    def _served(self, labels: Sequence[str], asked: Mapping[str, Sequence[str]]) -> dict[str, object]:
        """Return what labels.json says, for the very labels and prompts to be served that were measured."""
        return {
            "set": self.label, "templates": list(self.templates or (PLACE,)), "labels": list(labels),
            "prompts": {label: list(texts) for label, texts in asked.items()},
        }  # fmt: skip


METHODS: Mapping[Prompting, str] = {
    "label": "the group's own name",
    "templates": "the mean of templates around the group's name",
    "members": "the mean of the names of the trained things in each group",
}


def label_vectors(
    labels: Sequence[str], prompts: Mapping[str, Sequence[str]], encode: Callable[[Sequence[str]], np.ndarray]
) -> Float[np.ndarray, "L D"]:
    """Return a unit row a label: the mean of the unit rows of its prompts, of unit length again."""
    rows = encode([text for label in labels for text in prompts[label]])
    ends = np.cumsum([len(prompts[label]) for label in labels])
    means = np.stack([part.mean(0, dtype=np.float64) for part in np.split(rows, ends[:-1])])
    return (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), SHORTEST)).astype(np.float32)


def _all(pools: Mapping[str, Pictures], label: str) -> list[str | None]:
    return [one for pool in pools.values() for one in pool.labelled(label)]
