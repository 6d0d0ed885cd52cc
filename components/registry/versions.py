"""Model versions: a package, known by its digest, with the run that shows how it came to be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import LICENCES
from components.contracts.sealed import digest_of, sha256_of
from components.registry.links import DATA_REPORT, PACKAGE, description
from components.registry.packaged import Packaged
from components.registry.runs import (
    PACKAGE_DIGEST,
    START_DIGEST,
    TRAIN_DIGEST,
    find_run,
    log_missing,
    log_params,
    start_run,
)
from components.registry.signatures import SIGNED_BY, sign
from components.registry.store import Store, gone_already, open_store, store_errors, there_already

if TYPE_CHECKING:
    from mlflow.entities import Run

EVALUATION = "evaluation"  # folder of a run's artifacts
EVALUATION_DIGEST = "diptych.evaluation_digest"
_COMPLETE = "diptych.complete"  # set on a run last of all, so that a killed register is told from a finished one


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """The registry's name for a package.

    Args:
        name: of the registered model, the recipe's.
        version: counted from 1 by the registry.
        digest: of the package.
        run_id: the run with its params, curves and metrics; empty where somebody registered it without one.
        aliases: such as champion.
    """

    name: str
    version: str
    digest: str
    run_id: str
    aliases: tuple[str, ...]

    @property
    def label(self) -> str:
        """How a person calls it, `clip@3`."""
        return f"{self.name}@{self.version}"

    @classmethod
    def of(cls, found: Any) -> "ModelVersion":
        """Read what MLflow returns."""
        return cls(
            name=found.name, version=str(found.version), digest=found.tags.get(PACKAGE_DIGEST, ""),
            run_id=found.run_id or "", aliases=tuple(sorted(found.aliases)),
        )  # fmt: skip


def register(package: Path, root: Path, store: Store | None = None) -> ModelVersion:
    """Return the version of a package, made with its run if the store does not have it yet.

    Asked twice, on a fresh store or after a kill, it ends in the same state: run, params, curves, metrics, dataset,
    artifacts, signature, version. Raises StaleArtifact when the package is not the one that was packaged.
    """
    packaged = Packaged.read(package, root)
    store = store or open_store(root)
    with store_errors(store.uri):
        run = _complete_run(store, packaged)
        if SIGNED_BY not in run.data.tags:  # what somebody else signed stays as it is
            sign(store, run.info.run_id, package, root)
        return find_version(store, packaged.recipe, packaged.digest) or _new_version(store, packaged, run)


def find_version(store: Store, name: str, digest: str) -> ModelVersion | None:
    """Return the version of a package by its digest; None when the registry has none."""
    found = _versions_of(store, name, digest)
    return found[0] if found else None


def _versions_of(store: Store, name: str, digest: str) -> list[ModelVersion]:
    """Return the versions of a package, the first one first."""
    found = store.client.search_model_versions(f"name = '{name}' and tag.`{PACKAGE_DIGEST}` = '{digest}'")
    return [ModelVersion.of(one) for one in sorted(found, key=lambda version: int(version.version))]


def by_label(store: Store, label: str) -> ModelVersion:
    """Return the version that a person calls `clip@3`, or by an alias `clip@champion`.

    Raises ConfigError, with those there are, when the registry has none, DataError for one that was registered without a run.
    """
    name, _, number = label.partition("@")
    with store_errors(store.uri):
        known = {str(found.version): found for found in store.client.search_model_versions(f"name = '{name}'")}
        if number not in known and (called := by_alias(store, name, number)) is not None:
            return _with_run(called)
    if number not in known:
        labels = ", ".join(f"{name}@{other}" for other in sorted(known, key=int)) or "none of that name"
        raise ConfigError(f"the registry has no version {label!r}. It has {labels}.")
    return _with_run(ModelVersion.of(known[number]))


def _with_run(version: ModelVersion) -> ModelVersion:
    if not version.run_id:
        raise DataError(
            f"{version.label} was registered without a run, by something else than diptych, so nobody knows its files, or what it was measured to do. Name another version, "
            "or register its package: diptych adapt and diptych run do."
        )
    return version


def version_of(store: Store, name: str, number: str) -> ModelVersion | None:
    """Return a version by its number; None where the registry has it no more."""
    found = [one for one in store.client.search_model_versions(f"name = '{name}'") if str(one.version) == number]
    return ModelVersion.of(found[0]) if found else None


def by_alias(store: Store, name: str, alias: str) -> ModelVersion | None:
    """Return the version that carries an alias; None when none does."""
    for found in store.client.search_registered_models(f"name = '{name}'"):
        if version := found.aliases.get(alias):
            return ModelVersion.of(store.client.get_model_version(name, str(version)))
    return None


def _complete_run(store: Store, packaged: Packaged) -> "Run":
    """Return the run of a package with everything in it; each part is written only where it is missing."""
    run = find_run(store, PACKAGE_DIGEST, packaged.digest) or _claimed_run(store, packaged)
    if _COMPLETE in run.data.tags:
        return run
    client, run_id = store.client, run.info.run_id
    log_params(store, run, packaged.params())
    log_missing(store, run, packaged.points())
    log_missing(store, run, _summary(packaged))
    _log_dataset(store, run, packaged)
    if start := packaged.manifest.get("start"):
        client.set_tag(run_id, START_DIGEST, start["digest"])
    if commit := packaged.manifest.get("git_commit"):
        client.set_tag(run_id, "mlflow.source.git.commit", commit)
    client.log_artifacts(run_id, str(packaged.path), PACKAGE)
    _log_evaluation(store, run_id, packaged.evaluation)
    data_report = packaged.path.parents[2] / "data" / "validated" / "report.html"
    if data_report.exists():
        client.log_artifact(run_id, str(data_report), str(PurePosixPath(DATA_REPORT).parent))
    client.set_tag(run_id, "mlflow.note.content", description(store.experiment, run_id, set(packaged.files)))
    if run.info.status != "FINISHED":
        client.set_terminated(run_id, "FINISHED")
    client.set_tag(run_id, _COMPLETE, "true")
    return run


def evaluation_files(folder: Path) -> dict[str, Path]:
    """Return name -> path of the numbers and rows of an evaluation; none of a folder that has no rows."""
    rows = sorted((folder / "rows").glob("*.parquet"))
    numbers = [folder / name for name in ("metrics.json", "without.json", LICENCES) if (folder / name).exists()]
    return {path.relative_to(folder).as_posix(): path for path in (*numbers, *rows)} if rows else {}


def _log_evaluation(store: Store, run_id: str, folder: Path) -> None:
    files = evaluation_files(folder)
    for name, path in files.items():
        store.client.log_artifact(run_id, str(path), str(PurePosixPath(EVALUATION) / PurePosixPath(name).parent))
    if files:
        digest = digest_of({name: sha256_of(path) for name, path in files.items()})
        store.client.set_tag(run_id, EVALUATION_DIGEST, digest)


def _claimed_run(store: Store, packaged: Packaged) -> "Run":
    """Return the live run of this training, or a new one where another package of the same training has it."""
    training = packaged.manifest.get("train_digest")
    live = find_run(store, TRAIN_DIGEST, training) if training else None
    if live is not None and PACKAGE_DIGEST not in live.data.tags:
        store.client.set_tag(live.info.run_id, PACKAGE_DIGEST, packaged.digest)
        return live
    more = {TRAIN_DIGEST: training} if training else {}
    return start_run(store, packaged.recipe, PACKAGE_DIGEST, packaged.digest, more)


def _new_version(store: Store, packaged: Packaged, run: "Run") -> ModelVersion:
    """Return the version that is made of a package; a twin of it, made at once or since an answer was lost on its way, goes."""
    if not store.client.search_registered_models(f"name = '{packaged.recipe}'"):
        with there_already():
            store.client.create_registered_model(packaged.recipe)
    run_id = run.info.run_id
    store.client.create_model_version(
        packaged.recipe, f"{run.info.artifact_uri}/{PACKAGE}", run_id, tags={PACKAGE_DIGEST: packaged.digest},
        description=description(store.experiment, run_id, set(packaged.files)),
    )  # fmt: skip
    first, *twins = _versions_of(store, packaged.recipe, packaged.digest)
    for twin in twins:
        if not twin.aliases:
            with gone_already():
                store.client.delete_model_version(twin.name, twin.version)
    return first


def _summary(packaged: Packaged) -> Iterator[tuple[int, str, float]]:
    """Yield each metric with what is needed to read it: chance, baseline and its interval under its name."""
    for name, metric in packaged.metrics.items():
        yield 0, name, float(metric["value"])
        yield 0, f"{name}.chance", float(metric["chance"])
        yield 0, f"{name}.baseline", float(metric["baseline"])
        for end in ("low", "high"):
            if end in metric:
                yield 0, f"{name}.{end}", float(metric[end])


def _log_dataset(store: Store, run: "Run", packaged: Packaged) -> None:
    digest = packaged.manifest.get("data_digest")
    if not digest or (run.inputs is not None and run.inputs.dataset_inputs):
        return
    from mlflow.entities import Dataset, DatasetInput, InputTag

    # MLflow takes digests of 36 letters at most; the whole one is in the params.
    dataset = Dataset(
        packaged.manifest.get("source", "pairs"), digest[:36], "local", str(packaged.path.parents[2] / "data")
    )
    store.client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
