"""Documents in which pictures and texts alternate, as OBELICS, WebMath and MMC4 have them: a row each, pictures beside.

Each picture becomes a sample with the text that the document gives it, else with the nearest. The document is its group,
so that it stays in one split. Texts that no picture takes are counted, and those of which a part is taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Page
from components.data.sources.by_shard import by_shard
from components.data.sources.document import BadDocument, Document, Picture, Side, nearest, read_document, shortened
from components.data.sources.document_files import FILES, document_files, rows_of
from components.data.sources.document_pictures import DocumentPictures
from components.data.sources.files import PICTURES, suffix_of
from components.data.sources.own_source import OwnSource
from components.data.sources.record import Record
from components.data.sources.settings import NOT_STATED, existing


class InterleavedDocs(OwnSource):
    """The pictures of documents, each with the words that are nearest to it.

    Args:
        path: a .jsonl or .parquet with a row a document, or a folder with such files, at any depth.
        url: in its place, where they lie: s3:// of a folder, or URLs of such files; see docs/elsewhere.md.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port, and buckets, as s3://bucket, that documents may name.
        documents: the one file below that folder which is read, where it is not all of them.
        images: the folder of the pictures below it; without, they are looked for beside the file and in images/ there.
        side: which of two texts that stand as near to a picture is taken, `after` or `before`.
        characters: of a text that are taken at the most, by whole sentences from the picture on.
        languages: codes of the languages that texts are in, such as [en, de]; without, a text's is not stated.
        licence: SPDX identifier of the pictures whose row states none.
    """

    name, what = "interleaved_docs", f"a folder with documents ({', '.join(FILES)}), or of such a file"
    suffixes = (*FILES, *PICTURES)

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        documents: str | None = None,
        images: str | None = None,
        side: Side = "after",
        characters: int = 300,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        if side not in ("after", "before"):
            raise ConfigError(f"source.side is {side!r}. Say which of two texts as near is taken: after or before.")
        if isinstance(characters, bool) or not isinstance(characters, int) or characters < 1:
            raise ConfigError(
                f"source.characters is {characters!r}. Give a whole number from 1; a caption has up to 2,000."
            )
        super().__init__(path, url, version, allow_hosts, languages, licence)
        self.documents, self.images, self.side, self.characters = documents, images, side, characters

    def find(self, here: Path) -> "Pages":
        """Return the pictures of the documents at a path. DataError when there is no file of documents.

        When they are read, TransientError when no URL answers, as when the network is down.
        """
        files = document_files(here)
        if self.documents is not None:
            files = [(self.documents, existing(str(here / self.documents), "a file of documents"))]
        if not files:
            raise DataError(
                f"{here} holds no file of documents ({', '.join(FILES)}). Give one with a row a document, of which `texts` "
                "and `images` are lists."
            )
        images = None if self.images is None else existing(str(here / self.images), "the folder of the pictures")
        root = here if here.is_dir() else here.parent
        pictures = DocumentPictures(files, root, images, self.place.allow_hosts)
        return Pages(files, pictures, self.side, self.characters)


class Pages:
    """The pictures of all documents of some files.

    Args:
        files: (name, path), in their order.
        pictures: brings their bytes.
        side, characters: as of InterleavedDocs.
    """

    no_labels = "documents say what stands beside a picture, and no label"
    wordless = ""

    def __init__(
        self, files: Sequence[tuple[str, Path]], pictures: DocumentPictures, side: Side, characters: int
    ) -> None:
        self.files, self.pictures, self.side, self.characters = files, pictures, side, characters
        self._cut, self._untaken = list[str](), list[str]()

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record -> its names, of the last reading."""
        return {
            "texts that no picture takes": self._untaken,
            f"texts of which at most {self.characters} characters are taken": self._cut,
        }

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield a record a picture, and a reject for each row or picture that can be none; what lies elsewhere is fetched first."""
        self._cut, self._untaken = [], []
        self.pictures.fetch(progress)
        return by_shard(self.files, self._records, progress)

    def forget(self) -> None:
        """Remove from this disk what was fetched."""
        self.pictures.forget()

    def _records(self, name: str, path: Path) -> Iterator[Record | Reject]:
        for where, row in rows_of(name, path):
            if isinstance(row, Reject):
                yield row
                continue
            try:
                document = read_document(row)
            except BadDocument as err:
                yield Reject(key=where, member=name, reason="bad_document", detail=str(err))
                continue
            if not document.pictures:
                yield Reject(key=where, member=name, reason="no_picture", detail="the document has no picture")
            yield from self._of_document(where, path, document)

    def _of_document(self, where: str, path: Path, document: Document) -> Iterator[Record | Reject]:
        taken: set[int | None] = set()
        for picture in document.pictures:
            name = f"{where}/{picture.place:03d}"
            data = picture.fault or self.pictures.bytes_of(path, picture)
            if isinstance(data, tuple):
                yield Reject(key=name, member=where, reason=data[0], detail=data[1])
                continue
            place = nearest(document, picture, self.side)
            taken.add(place)
            texts = () if place is None else (self._said(document, picture, place, name),)
            suffix = Path(picture.held).suffix.lower() if isinstance(picture.held, str) else ""
            yield Record(
                name=name + (suffix if suffix in PICTURES else suffix_of(data)), data=data, texts=texts,
                langs=(document.lang,) * len(texts), group=document.id or where, licence=document.licence,
                flags=document.flags, page=Page(document=where, place=picture.place, text_place=place),
            )  # fmt: skip
        self._untaken.extend(f"text {place} of {where}" for place in document.texts if place not in taken)

    def _said(self, document: Document, picture: Picture, place: int, name: str) -> str:
        whole = document.texts[place]
        if len(whole) > self.characters:
            self._cut.append(f"that of {name}")
        return shortened(whole, self.characters, first=picture.text is not None or place > picture.place)
