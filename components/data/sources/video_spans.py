"""Spans of video: clips as folders of numbered frames, and a table of what is said of which stretch of them.

Each span is a sample, of which the frame in its middle, the key frame, is the picture. The clip is its group, so that it
stays in one split. Rows of the same times are one span. Frames stay where they are; which they are is kept in spans.parquet.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Span
from components.data.sources.clip_frames import ClipFrames, clip_frames
from components.data.sources.files import PICTURES, bytes_of
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.rows import TABLES
from components.data.sources.settings import NOT_STATED
from components.data.sources.span_rows import NAME, SpanRow, merged, read_spans, spans_table
from components.data.spans import SLACK, frames_between

Overlap = Literal["allowed", "refused"]


class VideoSpans(OwnSource):
    """The spans of a table, each with its key frame.

    Args:
        path: the folder with the table and a folder of frames for each clip.
        url: in its place, where they lie: s3:// of a folder; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        table: the table below it, where it is called otherwise than spans.csv (.tsv, .jsonl, .parquet).
        fps: frames a second of the clips whose rows do not say.
        overlap: `refused` takes no span that begins before one that came before it in its clip ends.
        languages: codes of the languages that texts are in, such as [en, de]; without, a text's is not stated.
        licence: SPDX identifier of the clips whose row states none.
    """

    name, what = "video_spans", f"a folder with a table of spans ({NAME}.csv) and the clips' folders of frames"
    suffixes = (*TABLES, *PICTURES)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        table: str | None = None,
        fps: float | None = None,
        overlap: Overlap = "allowed",
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if overlap not in ("allowed", "refused"):
            raise ConfigError(f"source.overlap is {overlap!r}. Say whether spans of a clip may: allowed or refused.")
        if fps is not None and (
            isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf")
        ):
            raise ConfigError(f"source.fps is {fps!r}. Give the frames that a clip has in a second, such as 25.")
        super().__init__(path, url, version, allow_hosts, languages, licence)
        self.table, self.fps, self.overlap = table, fps, overlap

    def describe(self) -> dict[str, object]:
        """Return what was found, and whether spans of a clip may overlap."""
        return super().describe() | {"overlap": self.overlap}

    def find(self, here: Path) -> "Spans":
        """Return the spans that a folder's table names, clip after clip. DataError when it has no such table."""
        table = here / self.table if self.table else spans_table(here)
        if table is None or not table.is_file():
            wanted = self.table or f"{NAME} ({', '.join(TABLES)})"
            raise DataError(f"{here} has no table {wanted}. Write one with the columns clip,t0,t1,text.")
        return Spans(here, table, self.fps, self.overlap)


class Spans:
    """The spans of a folder, as Records.

    Args:
        folder: that of the clips.
        table: that of the spans.
        fps, overlap: as of VideoSpans.
    """

    no_labels = "the table has no column for labels, or it is empty"
    wordless = ""

    def __init__(self, folder: Path, table: Path, fps: float | None, overlap: Overlap) -> None:
        self.folder, self.table, self.fps, self.overlap = folder, table, fps, overlap

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no span -> its names: nothing, since a row is a span or a reject."""
        return {}

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield the rows that can be no span, then the spans of each clip, or why they are none."""
        clips: dict[str, list[SpanRow]] = {}
        for row in read_spans(self.table):
            if isinstance(row, Reject):
                yield row
            else:
                clips.setdefault(row.clip, []).append(row)
        for done, (clip, rows) in enumerate(clips.items(), 1):
            yield from self._of_clip(clip, merged(rows))
            progress("read clips", done, len(clips))

    def forget(self) -> None:
        """Nothing was fetched to read the spans but what lay with them."""

    def _of_clip(self, clip: str, rows: Sequence[SpanRow]) -> Iterator[Record | Reject]:
        folder = self._inside(clip)
        frames = clip_frames(folder) if folder is not None else ClipFrames(files={})
        until = 0.0
        for row in rows:
            if folder is None:
                yield self._reject(row, "path_escape", f"the clip {clip!r} leads out of {self.folder}")
            elif self.overlap == "refused" and row.t0_s < until:
                yield self._reject(
                    row, "span_overlap", f"it begins at {row.t0_s:g} s, one before it ends at {until:g} s"
                )
            else:
                one = self._record(row, frames)
                until = max(until, row.t1_s) if isinstance(one, Record) else until
                yield one

    def _record(self, row: SpanRow, clip: ClipFrames) -> Record | Reject:
        fps = row.fps or self.fps
        if fps is None:
            why = "neither the row nor source.fps says how many frames its clip has in a second"
            return self._reject(row, "bad_span", why)
        if not clip.count:
            return self._reject(row, "missing_frame", f"there is no folder {row.clip!r} with numbered pictures")
        if row.t1_s * fps > clip.count + SLACK or row.t0_s * fps >= clip.count:
            lasts = f"its clip has {clip.count:,} frames and so ends at {clip.count / fps:g} s"
            return self._reject(row, "span_beyond", f"it lasts from {row.t0_s:g} s to {row.t1_s:g} s; {lasts}")
        frames = frames_between(row.t0_s, row.t1_s, fps, clip.count)
        if missing := clip.missing(frames):
            more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
            shown = ", ".join(map(str, missing[:3])) + more
            return self._reject(row, "missing_frame", f"of its {len(frames):,} frames these are missing: {shown}")
        key_frame = frames[len(frames) // 2]
        path = clip.files[key_frame]
        data = bytes_of(path)
        if not data or isinstance(data, str):
            reason, why = ("missing_frame", data) if isinstance(data, str) else ("zero_bytes", "the file is empty")
            return self._reject(row, reason, f"its key frame {path.name}: {why}")
        return Record(
            name=f"{row.clip}/{row.t0_s!r}-{row.t1_s!r}{path.suffix.lower()}", data=data, texts=row.texts,
            langs=row.langs, label=row.label, group=row.clip, licence=row.licence, key=row.key,
            flags=row.flags,
            span=Span(
                clip=row.clip, t0_s=row.t0_s, t1_s=row.t1_s, fps=fps, first=frames.start, frames=len(frames),
                key_frame=key_frame, clip_frames=clip.count,
            ),
        )  # fmt: skip

    def _inside(self, clip: str) -> Path | None:
        """Return a clip's folder; None where it leads out of ours."""
        try:
            real = (self.folder / clip).resolve()
        except (OSError, RuntimeError, ValueError):  # a link in a circle, a name that no file can have
            return None
        return self.folder / clip if real.is_relative_to(self.folder.resolve()) else None

    def _reject(self, row: SpanRow, reason: str, detail: str) -> Reject:
        return Reject(key=f"{self.table.name}, {row.where}", member=row.clip, reason=reason, detail=detail)
