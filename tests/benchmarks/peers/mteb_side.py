"""mteb's side: its own tasks, its own wrapper of open_clip and its own metrics, on a set of ours; imports nothing of ours.

python mteb_side.py eval SET MODEL OUT   # writes what it found
python mteb_side.py versions

A task of mteb names a data set of the Hub; here it reads the set's shards instead. Its wrapper takes a model of the Hub; here the name leads to a folder. It rounds
retrieval to five places; here it does not, so that what it computes is seen whole. All else is as mteb has it.
"""

import io
import json
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    """Do what is asked."""
    asked = sys.argv[1:]
    if asked[0] == "versions":
        print(json.dumps({name: version(name) for name in ("mteb", "open-clip-torch", "torch", "datasets", "pillow")}))
        return
    where, model, out = map(Path, asked[1:])
    found = evaluated(where, model)
    out.write_text(json.dumps(found))


def rows_of(where: Path) -> list[dict[str, bytes]]:
    """Return the members of each picture, by suffix, in the order of the shards."""
    rows: dict[str, dict[str, bytes]] = {}
    for number in range(int((where / "test/nshards.txt").read_text())):
        with tarfile.open(where / f"test/{number}.tar") as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                opened = tar.extractfile(member)
                assert opened is not None, f"{member.name} is no file"
                rows.setdefault(f"{number}/{key}", {})[suffix] = opened.read()
    return list(rows.values())


def evaluated(where: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Return task -> metric -> value."""
    import mteb
    import open_clip
    from mteb._evaluators import retrieval_metrics
    from mteb.models.model_implementations.openclip_models import CLIP_ViT_B_32_DataComp_XL_s13B_b90K, openclip_loader

    for name in ("create_model_and_transforms", "get_tokenizer"):
        given = getattr(open_clip, name)
        setattr(open_clip, name, lambda said, given=given, **more: given(said.replace("hf-hub:", "local-dir:"), **more))
    retrieval_metrics.round = lambda value, places=None: round(value) if places is None else value
    model = openclip_loader(str(folder), revision="1", device="cpu")
    model.mteb_model_meta = (
        CLIP_ViT_B_32_DataComp_XL_s13B_b90K  # whose similarity is the cosine, as of all of open_clip
    )
    found = {}
    for task in tasks_of(where):
        result = mteb.evaluate(
            model, task, cache=None, co2_tracker=False, show_progress_bar=False, encode_kwargs={"batch_size": 64}
        )
        (scores,) = result.task_results[0].scores["test"]
        found[task.metadata.name] = {key: value for key, value in scores.items() if isinstance(value, int | float)}
    return found


def tasks_of(where: Path) -> list[Any]:
    """Return the tasks of a set: to classify where it has classes, else to retrieve both ways."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.abstasks.zeroshot_classification import AbsTaskZeroShotClassification
    from PIL import Image

    rows = rows_of(where)
    pictures = [
        Image.open(io.BytesIO(row["jpg"])).convert("RGB") for row in rows
    ]  # a JPEG would be packed a second time

    def about(name: str, kind: str, category: str, main: str) -> TaskMetadata:
        return TaskMetadata(
            name=name, description="Drawn scenes.", reference="https://example.org", dataset={"path": "drawn", "revision": "1"},
            type=kind, category=category, eval_splits=["test"], eval_langs=["eng-Latn"], main_score=main, date=("2026-01-01", "2026-01-02"),
            domains=["Web"], task_subtypes=[], license="not specified", annotations_creators="derived", dialect=[], modalities=["text", "image"],
            sample_creation="created", bibtex_citation="",
        )  # fmt: skip

    if (where / "classnames.txt").exists():
        (template,) = (where / "zeroshot_classification_templates.txt").read_text().splitlines()
        names = (where / "classnames.txt").read_text().splitlines()

        class Kinds(AbsTaskZeroShotClassification):
            metadata = about("Kinds", "ZeroShotClassification", "i2t", "accuracy")

            def load_data(self, **_: Any) -> None:
                labels = [int(row["cls"]) for row in rows]
                self.dataset = {"test": Dataset.from_dict({"image": pictures, "label": labels})}
                self.data_loaded = True

            def get_candidate_labels(self) -> list[str]:
                return [template.replace("{c}", name) for name in names]

        return [Kinds()]

    said = [(place, text) for place, row in enumerate(rows) for text in row["txt"].decode().splitlines()]
    images = Dataset.from_dict({"id": [f"p{place}" for place in range(len(rows))], "image": pictures})
    texts = Dataset.from_dict({"id": [f"t{place}" for place in range(len(said))], "text": [text for _, text in said]})
    to_picture = {f"t{place}": {f"p{owner}": 1} for place, (owner, _) in enumerate(said)}
    to_text: dict[str, dict[str, int]] = {}
    for place, (owner, _) in enumerate(said):
        to_text.setdefault(f"p{owner}", {})[f"t{place}"] = 1

    class Both(AbsTaskRetrieval):
        queries_of, corpus_of, right = texts, images, to_picture

        def load_data(self, **_: Any) -> None:
            split = {
                "queries": self.queries_of,
                "corpus": self.corpus_of,
                "relevant_docs": self.right,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    class TextToImage(Both):
        metadata = about("TextToImage", "Any2AnyRetrieval", "t2i", "ndcg_at_10")

    class ImageToText(Both):
        metadata = about("ImageToText", "Any2AnyRetrieval", "i2t", "ndcg_at_10")
        queries_of, corpus_of, right = images, texts, to_text

    return [TextToImage(), ImageToText()]


if __name__ == "__main__":
    main()
