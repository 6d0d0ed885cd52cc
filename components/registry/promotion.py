"""Which version is served: the first, then each that is not worse than the champion. A floor, until a real gate.

The verdict on a version is given once and kept in the registry; after that only a person moves the alias.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from components.contracts.errors import DataError
from components.registry.store import Store, open_store, store_errors
from components.registry.versions import ModelVersion, by_alias, by_label

CHAMPION, CHALLENGER = "champion", "challenger"
VERDICT = "diptych.verdict"
MEASURED = ("retrieval.pair.image_to_text.recall_at_1", "retrieval.pair.text_to_image.recall_at_1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided about a version.

    Args:
        version: the one in question.
        champion: the one to serve, which may be the same.
        sentence: what was decided, why, and how to decide otherwise by hand.
    """

    version: ModelVersion
    champion: ModelVersion
    sentence: str


def promote(root: Path, version: ModelVersion, store: Store | None = None) -> Verdict:
    """Make a version the champion if it is the first, or not worse than the champion in pair R@1, both ways averaged.

    Asked twice, it decides nothing new, so a champion that a person set stays.
    """
    store = store or open_store(root)
    with store_errors(store.uri):
        champion = by_alias(store, version.name, CHAMPION)
        found = store.client.get_model_version(version.name, version.version)
        if champion is None:
            return _crown(store, version, f"{version.label} is the champion: there was none.")
        if champion.version == version.version:
            return Verdict(version=champion, champion=champion, sentence=f"{champion.label} is the champion.")
        if VERDICT in found.tags:
            return _keep(store, version, champion, found.tags[VERDICT])
        (ours, data), (theirs, other_data) = _pair_recall(store, version), _pair_recall(store, champion)
        numbers = f"pair R@1 {ours:.1%}, the champion {champion.label} has {theirs:.1%}"
        if data != other_data:
            numbers += " (on other data, so the two do not quite compare)"
        if ours >= theirs:
            return _crown(store, version, f"{version.label} is the new champion: {numbers}.")
        return _keep(store, version, champion, f"it is worse: {numbers}")


def promote_by_hand(root: Path, label: str) -> str:
    """Make the version `clip@3` the champion, whatever was measured, and return one sentence.

    ConfigError when the registry has no such version.
    """
    store = open_store(root)
    version = by_label(store, label)
    with store_errors(store.uri):
        _crown(store, version, "set by hand")
    return f"{label} is the champion, set by hand. It is served after: diptych run --recipe {version.name}"


def _crown(store: Store, version: ModelVersion, sentence: str) -> Verdict:
    client = store.client
    client.set_registered_model_alias(version.name, CHAMPION, version.version)
    challenger = by_alias(store, version.name, CHALLENGER)
    if challenger is not None and challenger.version == version.version:
        client.delete_registered_model_alias(version.name, CHALLENGER)
    client.set_model_version_tag(version.name, version.version, VERDICT, "it was champion before")
    champion = replace(version, aliases=(CHAMPION,))
    return Verdict(version=champion, champion=champion, sentence=sentence)


def _keep(store: Store, version: ModelVersion, champion: ModelVersion, why: str) -> Verdict:
    if CHALLENGER not in version.aliases:
        store.client.set_registered_model_alias(version.name, CHALLENGER, version.version)
    store.client.set_model_version_tag(version.name, version.version, VERDICT, why)
    return Verdict(
        version=replace(version, aliases=(CHALLENGER,)), champion=champion,
        sentence=f"{version.label} stays challenger and {champion.label} is served: {why}. "
        f"To serve it all the same: diptych promote {version.label}",
    )  # fmt: skip


def _pair_recall(store: Store, version: ModelVersion) -> tuple[float, str | None]:
    """Return pair R@1, both ways averaged, and the digest of the data it was trained and measured on."""
    data = store.client.get_run(version.run_id).data
    missing = [name for name in MEASURED if name not in data.metrics]
    if missing:
        raise DataError(f"{version.label} was not measured on {', '.join(missing)}, so it cannot be compared.")
    return sum(data.metrics[name] for name in MEASURED) / len(MEASURED), data.params.get("data_digest")
