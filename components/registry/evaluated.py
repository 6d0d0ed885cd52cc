"""The evaluation of a version: numbers, and a row a query, so that two versions can be compared whenever one wants to."""

from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.contracts.sealed import digest_of, sha256_of
from components.registry.copies import attempt, placed, used
from components.registry.store import Store, store_errors
from components.registry.versions import EVALUATION, EVALUATION_DIGEST, ModelVersion, evaluation_files


def evaluation_of(version: ModelVersion, root: Path, store: Store) -> Path | None:
    """Return the folder with a version's metrics.json and rows; None where it was registered without its rows.

    It is the workspace's own where that is still it, else a copy in .diptych/evaluations, fetched and checked. Raises StaleArtifact
    when what the store has is not what was registered.
    """
    with store_errors(store.uri):
        wanted = store.client.get_run(version.run_id).data.tags.get(EVALUATION_DIGEST)
    if wanted is None:
        return None
    target = root / ".diptych" / "evaluations" / wanted[:16]
    for folder in (root / "runs" / version.name / "evaluate", target):
        if _digest(folder) == wanted:
            return used(folder) if folder == target else folder
    with attempt(target) as folder:
        with store_errors(store.uri):
            fetched = Path(store.client.download_artifacts(version.run_id, EVALUATION, str(folder)))
        if _digest(fetched) != wanted:
            raise StaleArtifact(
                f"the store's evaluation of {version.label} is not what was registered, so it proves nothing. Measure it again, "
                f"or let a person decide: diptych promote {version.label} --because REASON"
            )
        return placed(fetched, target, lambda folder: _digest(folder) == wanted)


def _digest(folder: Path) -> str | None:
    files = evaluation_files(folder)
    try:
        return digest_of({name: sha256_of(path) for name, path in files.items()}) if files else None
    except FileNotFoundError:  # another process is putting it in order, or away
        return None
