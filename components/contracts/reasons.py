"""Why a record does not go on: every code of quarantine.parquet, in the order in which the first that applies is given.

One table for ingest, which meets what can be no sample, and for validation, which meets samples that cannot be used.
A broken record counts against `gates.max_broken`: something is wrong with the data. One set aside is sound, but would
make a test number mean less, or should not be learned. One may also be kept and only told of, for a person to judge: where
that is a matter of taste, `gates.policy` in params.yaml decides. docs/reasons.md prints this table.
"""

from dataclasses import dataclass
from typing import Literal

Policy = Literal["keep", "drop"]

INGEST = "ingest"
VALIDATE = "validate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One code.

    Args:
        meaning: what the report says of it.
        broken: whether it counts against the gate.
        found_by: the steps that give it, INGEST or VALIDATE.
        policy: what is done unless params.yaml says otherwise: `keep` and tell, or `drop`; None where there is no choice.
    """

    meaning: str
    broken: bool = True
    found_by: tuple[str, ...] = (VALIDATE,)
    policy: Policy | None = None


_INGEST = (INGEST,)
_BOTH = (INGEST, VALIDATE)

REASONS = {
    "all_bad_shard": Reason(meaning="nothing in this shard could come in, or it is no tar at all", found_by=_INGEST),
    "shard_truncated": Reason(
        meaning="the shard ends before its last member does; what lies before came in", found_by=_INGEST
    ),
    "pickle_member": Reason(
        meaning="a member of a kind that runs code when it is loaded; it was not opened", found_by=_INGEST
    ),
    "path_escape": Reason(
        meaning="a name that leads out of the folder it stands for, by .. or from /", found_by=_INGEST
    ),
    "symlink": Reason(
        meaning="a link, a device or a pipe where a file's bytes were to be; it was not followed", found_by=_INGEST
    ),
    "split_key": Reason(meaning="members of one key lie apart in the shard, so they are no sample", found_by=_INGEST),
    "bad_utf8": Reason(meaning="the text is not UTF-8, so its letters would come out wrong", found_by=_INGEST),
    "bad_json": Reason(meaning="the .json that says what the picture is cannot be read", found_by=_INGEST),
    "bad_document": Reason(
        meaning="the lists of a document do not fit together, or a picture names a text that it does not have",
        found_by=_BOTH,
    ),
    "document_split": Reason(meaning="pictures of one document are in several splits"),
    "bad_row": Reason(
        meaning="a row of a table has too few or too many columns, or a quote in it is not closed", found_by=_INGEST
    ),
    "bad_cell": Reason(
        meaning="a cell of a table is no number, no true or false, or no size, where it has to be one", found_by=_INGEST
    ),
    "unknown_language": Reason(meaning="a row of a table is in a language that has no such code", found_by=_INGEST),
    "mime_refused": Reason(meaning="a table says of the picture that it is none", found_by=_INGEST),
    "file_name_caption": Reason(meaning="what is said of the picture is the name of its file", found_by=_INGEST),
    "unknown_picture": Reason(meaning="a caption or a box of a picture that the data does not name", found_by=_INGEST),
    "bad_box": Reason(meaning="a box is no four numbers, or nothing says what it shows", found_by=_BOTH),
    "box_outside": Reason(meaning="a box does not lie in its picture", found_by=_BOTH),
    "box_empty": Reason(meaning="a box has no area, or less than a pixel", found_by=_BOTH),
    "box_shape": Reason(meaning="boxes were measured on a picture of another shape, such as one that was turned since"),
    "unknown_category": Reason(meaning="a box of a category that the data does not name", found_by=_INGEST),
    "bad_span": Reason(meaning="when a span begins or ends is no time, or its clip has no frame rate", found_by=_BOTH),
    "span_reversed": Reason(meaning="a span ends before it begins, or when it does", found_by=_BOTH),
    "span_beyond": Reason(meaning="a span begins before its clip does, or ends after it", found_by=_BOTH),
    "span_overlap": Reason(
        meaning="a span begins before the one before it in its clip ends, and source.overlap is refused",
        found_by=_INGEST,
    ),
    "missing_frame": Reason(meaning="a clip is not there, or frames of a span are missing", found_by=_BOTH),
    "series_split": Reason(meaning="pictures of one series (`group`) are in several splits"),
    "clip_split": Reason(meaning="spans of one clip are in several splits"),
    "incomplete": Reason(meaning="a column that every row must have is empty"),
    "duplicate_key": Reason(
        meaning="several rows or members have this key, so none can be told from the others", found_by=_BOTH
    ),
    "split_unknown": Reason(meaning="the split is none that training or evaluation knows"),
    "source_unknown": Reason(meaning="the designer is none that the source declares"),
    "licence_unknown": Reason(meaning="the licence is none that the source declares"),
    "missing_member": Reason(meaning="the shard is missing, or ends before the picture does"),
    "sha_mismatch": Reason(meaning="the shard holds other bytes than the manifest's sha256 promises"),
    "no_picture": Reason(
        meaning="there is no picture: it is not named, its file is missing, too large, or may not be read",
        found_by=_INGEST,
    ),
    "fetch_failed": Reason(
        meaning="the picture's URL gave nothing: it is not there, may not be read, or its server did not answer in the end",
        found_by=_INGEST,
    ),
    "address_refused": Reason(
        meaning="the picture's URL is none that is asked: an address of this network, a user in it, or no http at all",
        found_by=_INGEST,
    ),
    "zero_bytes": Reason(meaning="the picture's file is there, and has no bytes", found_by=_BOTH),
    "not_an_image": Reason(meaning="the bytes do not begin as those of any picture do"),
    "bomb": Reason(meaning="the picture unfolds to more pixels than are taken"),
    "truncated": Reason(meaning="the picture ends before its last pixel does"),
    "undecodable": Reason(meaning="the bytes begin as a picture's do, and cannot be decoded", found_by=_BOTH),
    "too_slow": Reason(
        meaning="looking at the picture takes far longer than at any sound one, or comes to no end", found_by=_BOTH
    ),
    "too_small": Reason(meaning="a side of the picture has too few pixels to show anything"),
    "too_large": Reason(meaning="a side of the picture has more pixels than are taken"),
    "blank": Reason(meaning="the picture is one flat colour, or nearly invisible on white"),
    "no_caption": Reason(meaning="nothing is said of the picture"),
    "empty_caption": Reason(meaning="a text is there, without a character"),
    "caption_too_long": Reason(meaning="a text is longer than a caption can be"),
    "caption_language": Reason(
        meaning="a text is in a language that the source does not declare, or in a script it is not written in"
    ),
    "licence_refused": Reason(meaning="the licence is none that admit.licences allows", broken=False, found_by=_INGEST),
    "no_consent": Reason(
        meaning="the data does not say that those it shows have consented, and admit.consent requires it",
        broken=False,
        found_by=_INGEST,
    ),
    "health_data": Reason(
        meaning="it is marked as health data of a person, or its words look like that, and admit.health refuses it",
        broken=False,
        found_by=_INGEST,
    ),
    "known_bad": Reason(
        meaning="the picture is on the list of pictures known to be bad, or looks like one that is", broken=False
    ),
    "takedown": Reason(
        meaning="the picture is on the takedown list, or looks like one that is", broken=False, found_by=_BOTH
    ),
    "pii_text": Reason(
        meaning="what is said of the picture holds an e-mail address, a phone number or a card number",
        broken=False,
        policy="drop",
    ),
    "mojibake": Reason(
        meaning="what is said of the picture was read in the wrong encoding once, as in cafÃ© for café",
        broken=False,
        policy="keep",
    ),
    "gps": Reason(meaning="the picture's file holds the place where it was taken", broken=False, policy="keep"),
    "aspect": Reason(
        meaning="the picture is a long strip, of which a square crop shows little", broken=False, policy="keep"
    ),
    "animated": Reason(
        meaning="the file holds several pictures, of which only the first is seen", broken=False, policy="keep"
    ),
    "cmyk_converted": Reason(
        meaning="the picture is in the colours of print (CMYK), and is converted without its profile",
        broken=False,
        policy="keep",
    ),
    "exif_rotated": Reason(
        meaning="the picture lies on its side or mirrored in the file, and is turned as its EXIF says",
        broken=False,
        policy="keep",
    ),
    "face": Reason(meaning="a face is seen in the picture", broken=False, policy="keep"),
    "duplicate_pixels": Reason(
        meaning="an evaluation picture equals another one, pixel for pixel, that is trained on or named otherwise, or one of val equals a "
        "tested one",
        broken=False,
    ),
    "same_concept": Reason(
        meaning="the pool keeps one picture a concept, so that every query has one answer", broken=False
    ),
    "twin_in_train": Reason(
        meaning="a training picture equals another one, pixel for pixel", broken=False, policy="keep"
    ),
    "near_duplicate": Reason(
        meaning="the picture looks nearly like another one that is trained on too, or tested with too",
        broken=False,
        policy="keep",
    ),
    "leak_near": Reason(
        meaning="an evaluation picture looks nearly like one that is trained on", broken=False, policy="keep"
    ),
    "leak_text": Reason(
        meaning="an evaluation picture's text has thirteen words in a row in common with a training text",
        broken=False,
        policy="keep",
    ),
    "poison_patch": Reason(
        meaning="many training pictures that look unlike have the same patch in a corner", broken=False, policy="keep"
    ),
    "poison_captions": Reason(
        meaning="many training pictures that look unlike have the same caption, or nearly, far more than is usual in this data",
        broken=False,
        policy="keep",
    ),
    "misfit": Reason(
        meaning="a model finds that the words fit the picture far less than is usual in this data",
        broken=False,
        policy="keep",
    ),
}
ORDER = {code: place for place, code in enumerate(REASONS)}
