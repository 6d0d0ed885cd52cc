"""`diptych data export`, `tags` and `wit`: data sets as FiftyOne, Croissant's readers and WIT's take them, and a person's tags back as a selection."""

import json
from pathlib import Path

from components.contracts.errors import ConfigError
from components.contracts.sealed import sha256_of
from components.data.aside import Aside
from components.data.beside import rows_of, write_kind
from components.data.kinds import BY_NAME, read_kinds
from components.data.manifest import read_manifest, write_manifest
from components.data.new_folder import new_folder


def export_data(raw: Path, out: Path, as_what: str, name: str, manifest: Path | None, as_json: bool) -> None:
    """Write a snapshot, or of a selection its samples, and print what that is; DataError, ConfigError as of the writers."""
    file = manifest or raw / "manifest.parquet"
    rows = read_manifest(file)
    if as_what == "fiftyone":
        from components.data.versions.fiftyone import write_fiftyone

        count = write_fiftyone(rows, raw, out, name)
    else:
        count = _croissant(raw, out, name, manifest)
    said = {"as": as_what, "samples": count, "out": str(out)}
    print(json.dumps(said) if as_json else f"{count:,} samples, as {as_what}, in {out}")


def _croissant(raw: Path, out: Path, name: str, manifest: Path | None) -> int:
    from components.data.versions.croissant import Kept, croissant

    if manifest is not None:
        raise ConfigError(
            "--as croissant describes a snapshot with its shards, and takes no --manifest. Name the snapshot's folder."
        )
    if out.suffix != ".json" or out.exists():
        why = "is there already" if out.exists() else "is not called .json"
        raise ConfigError(f"{out} {why}. Name a new file, such as croissant.json.")
    came_in = json.loads((raw / "source.json").read_text(encoding="utf-8"))
    file = raw / "manifest.parquet"
    held = read_manifest(file)
    licences = sorted({one for one in held["licence"].unique().to_pylist() if one})
    shards = {path: Kept.of(raw / path) for path in sorted(held["shard"].unique().to_pylist())}
    said = croissant(name, came_in, Kept.of(file), shards, licences)
    aside = Aside(out)
    with aside.explaining():
        aside.partial.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.put()
    return int(came_in["samples"])


def data_wit(source: Path, out: Path, as_json: bool) -> None:
    """Write a table of WIT as Parquet, or back, and print how many rows; errors as of `convert`."""
    from components.data.sources.wit_tables import convert

    rows, bad = convert(source, out)
    aside = f", {bad:,} that are none in {out.with_suffix('.quarantine.parquet')}" if bad else ""
    print(json.dumps({"rows": rows, "bad": bad, "out": str(out)}) if as_json else f"{rows:,} rows in {out}{aside}")


def data_tags(folder: Path, data: Path, out: Path, allow_unknown: bool, as_json: bool) -> None:
    """Select by the tags of a FiftyOne data set from the manifest in `data`, into the new folder `out`, and print the counts."""
    from components.data.versions.fiftyone import tags_of
    from components.data.versions.tagged import select_tagged

    manifest = read_manifest(data / "manifest.parquet")
    selected, counts = select_tagged(manifest, tags_of(folder), allow_unknown)
    with new_folder(out) as made:
        digest = write_manifest(selected, made / "manifest.parquet")
        for kind, table in read_kinds(data).items():
            write_kind(rows_of(table, selected), made, BY_NAME[kind])
        file_digest = sha256_of(made / "manifest.parquet")
        said = {**counts, "digest": digest, "file_digest": file_digest, "out": str(out)}
        (made / "report.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(said))
        return
    print(
        f"{counts['kept']:,} of {len(manifest):,} samples stay: {counts['dropped']:,} tagged drop, {counts['untagged']:,} not tagged, "
        f"{counts['unknown']:,} tags of no sample\nselection {digest[:12]} in {out}\n"
        "a recipe trains on it with this among its curation.ops:\n"
        "  - class_path: components.curation.ops.listed.Listed\n"
        f'    init_args: {{file: {out / "manifest.parquet"}, digest: "{file_digest[:12]}"}}'
    )
