"""What makes somebody's pictures hard to adapt to, in a sentence each, with what is done instead of the usual.

Source of what is done: Zhai et al. 2022, arXiv:2111.07991 (texts are tuned alone to pictures that are seen well already: another language); Zheng et al. 2024,
arXiv:2403.17007 (sentences of a long caption are drawn). Where captions are labels and no more is decided in components/finetuning/labels/choice.py.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.data.beyond import beyond
from components.data.tokenizers import Vocabulary
from components.evaluation.wording import percent

FEW = 30  # pictures to learn from, below which intervals are wide and not all weights are tuned
FEW_TO_CHOOSE_BY = 100  # pictures, below which many ways to tell labels apart do alike on them
COMMON = 0.8  # share of the pictures from which on a label is nearly all there is
DENSER = 1.2  # pieces a letter against English, from which on words of another language are not those that were learnt
SPELLED = 1.8  # the same, from which on letters are spelled
UNKNOWN = 0.1  # share of the words that a tokenizer does not know
SYLLABLE = 3  # letters, as which a character of Chinese, Japanese or Korean counts
LEFT = 0.8  # of the held-out pictures, at least, are left where copies are set aside
TEXTS, WHOLE, CONTINUED = (
    "locked image",
    "whole",
    "continued",
)  # ways to tune the texts alone, and all weights, by one's own or with general pictures beside
_WORDS = {
    "German": "der die das ein eine einer eines einem einen und mit auf im in von vor zu zwei ist unter neben",
    "French": "le la les un une des et avec sur dans de du à au en deux est sous près devant",
    "Spanish": "el la los las un una unos y con sobre en de del al dos es junto bajo",
    "Italian": "il lo la gli le un una e con su in di del della al due è sotto accanto",
    "Portuguese": "o a os as um uma e com sobre em de do da no na dois é sob ao",
    "Dutch": "de het een en met op in van voor twee is onder naast bij",
    "English": "the a an and with on in of at to two is under near by from",
}  # fmt: skip
_ENGLISH = (
    "a photo of a dog on the grass, two people walking down a street at night, a red car parked in front of a house, a plate of food with vegetables, "
    "a woman in a white dress, the black cat sleeps on a chair, a large green tree near the river, an old man reads a newspaper, a bird in the sky"
)
_WORD = re.compile(r"[^\W\d_]+")
_SYLLABLES = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
)  # kana, Chinese, Hangul


@dataclass(frozen=True, slots=True, kw_only=True)
class Hard:
    """Something that makes data hard.

    Args:
        name: few_pictures, few_to_choose_by, fewer_than_labels, one_label, other_language, long_captions or near_pictures.
        count: how many pictures or captions it is of.
        of: so many.
        sentence: what it is, and what is done instead of the usual.
    """

    name: str
    count: int
    of: int
    sentence: str


def hard_data(
    train: int, held: int, captions: Sequence[str], labels: Sequence[str], vocabulary: Vocabulary, *, ways: Sequence[str], asks_labels: bool,
    named: bool = False,
) -> list[Hard]:  # fmt: skip
    """Return what makes data hard, the first first.

    Args:
        train: pictures to learn from.
        held: pictures to choose by.
        captions: of those that are learnt from.
        labels: of those that have one.
        vocabulary: of the model that is adapted.
        ways: to tune that take part, and that the model can be tuned by.
        asks_labels: whether a picture is asked for its label, else for its caption.
        named: whether somebody asked for these ways, which then are all tuned by.
    """
    found = [
        few_pictures(train, held, ways, named),
        few_to_choose_by(train, held) if asks_labels else None,
        one_label(labels, asks_labels),
        other_language(captions, vocabulary, ways, named),
        long_captions(captions, vocabulary),
    ]
    return [one for one in found if one is not None]


def few_pictures(train: int, held: int, ways: Sequence[str], named: bool = False) -> Hard | None:
    """Return it of fewer than FEW pictures to learn from; what it says is done is what `left_out` does with these ways, unless they were named."""
    if train >= FEW:
        return None
    then = (
        "All weights are tuned all the same, since no other way takes part."
        if list(ways) == [WHOLE]
        else "All weights are tuned all the same, since that way was asked for."
        if named and WHOLE in ways
        else "All weights are tuned by training that goes on, and by no other way."
        if CONTINUED in ways
        else "Not all weights are tuned, which so few cannot hold."
    )
    return Hard(
        name="few_pictures", count=train, of=FEW,
        sentence=f"There are {train} pictures to learn from and {held} to choose by, one of which is {100 / max(1, held):.0f} points: intervals are wide. {then}",
    )  # fmt: skip


def few_to_choose_by(train: int, held: int) -> Hard | None:
    """Return it of fewer than FEW_TO_CHOOSE_BY pictures to choose by; what it says is done is what components/finetuning/labels/folds.py does."""
    if held >= FEW_TO_CHOOSE_BY:
        return None
    return Hard(
        name="few_to_choose_by", count=held, of=FEW_TO_CHOOSE_BY,
        sentence=f"There are {held} pictures to choose by, on which many ways do alike. Ways that tune nothing are chosen by folds of these and of the {train:,} to learn from, "
        "each picture where it was left out, and on top of a tuning by the same numbers; of tunings that answer as many rightly the surest is taken. Pictures of one series make folds "
        "sound better than they are.",
    )  # fmt: skip


def fewer_than_labels(train: int, labels: Collection[str | None]) -> Hard | None:
    """Return it where pictures have more labels than there are pictures to learn from.

    Args:
        train: pictures to learn from.
        labels: of them and of those that are chosen by; None of one that has none.
    """
    names = {label for label in labels if label is not None}
    if len(names) <= train:
        return None
    return Hard(
        name="fewer_than_labels", count=train, of=len(names),
        sentence=f"There are {len(names):,} labels and {train:,} pictures to learn from, so some labels have none, and cannot be learnt: a picture is asked for its caption "
        "instead. Bring ten pictures of each label and ask for labels (`--ask labels`), and it is asked which it is.",
    )  # fmt: skip


def one_label(labels: Sequence[str], asked: bool) -> Hard | None:
    """Return it where one label is of COMMON of the pictures or more.

    Args:
        labels: of those that have one.
        asked: whether a picture is asked for its label.
    """
    if len(set(labels)) < 2:
        return None
    (label, count), *_ = Counter(labels).most_common(1)
    if count < COMMON * len(labels):
        return None
    then = (
        "so whoever always says that is right as often. Labels count alike where one is chosen by, and mean_per_class stands beside top1; in the steps of tuning they are as "
        "often as each other as far as there are pictures of the rarer ones, each of which a step has once."
        if asked
        else "and a picture is asked for its caption, for which each counts alike, so that these count most. A step has no caption twice. Where the others "
        "matter as much, ask for labels (`--ask labels`), which count alike then."
    )
    return Hard(
        name="one_label", count=count, of=len(labels),
        sentence=f"{percent(count / len(labels))} of the pictures are of {label!r}, {then}",
    )  # fmt: skip


def other_language(
    captions: Sequence[str], vocabulary: Vocabulary, ways: Sequence[str], named: bool = False
) -> Hard | None:
    """Return it of captions that the tokenizer was not made for: in letters that it spells, or in words of another language that it takes apart more than English ones.

    What it says is done is what `left_out` does with these ways, unless they were named.
    """
    words = Counter(word for caption in captions for word in _WORD.findall(caption))
    if not words:
        return None
    unknown = sum(words[word] for word in unknown_words(words, vocabulary)) / words.total()
    denser = pieces_a_letter(words, vocabulary) / pieces_a_letter(Counter(_WORD.findall(_ENGLISH)), vocabulary)
    language = read_as(words)
    if unknown < UNKNOWN and denser < SPELLED and (language == "English" or denser < DENSER):
        return None
    why = (
        f"{percent(unknown)} of their words are unknown to it"
        if unknown >= UNKNOWN
        else f"it needs {denser:.1f} times as many pieces a letter as for English"
    )
    what = (
        "are in letters"
        if denser >= SPELLED
        else f"read as {language}, words"
        if language != "English"
        else "have words"
    )
    if TEXTS in ways and not (named and len(ways) > 1):
        then = "The texts alone are tuned, to pictures that stay as they are seen"
    else:
        why_so = (
            "as was asked for"
            if TEXTS in ways
            else "since the texts alone, which would be, are not among the ways (`--way locked-image`)"
        )
        then = f"Tuned is by {' and '.join(ways) or 'nothing'} all the same, {why_so}"
    return Hard(
        name="other_language", count=len(captions), of=len(captions),
        sentence=f"The captions {what} that the model's tokenizer was not made for: {why}. {then}; a start that has read the language, such as a SigLIP 2, "
        "would go further.",
    )  # fmt: skip


def unknown_words(words: Collection[str], vocabulary: Vocabulary) -> list[str]:
    """Return those in which a token stands for what is not known."""
    whole = vocabulary.uncut()
    token = getattr(whole.model, "unk_token", None)
    if not isinstance(token, str) or (unknown := whole.token_to_id(token)) is None:
        return []
    listed = list(words)
    rows = whole.encode_batch(listed, add_special_tokens=False)
    return [word for word, row in zip(listed, rows, strict=True) if unknown in row.ids]


def pieces_a_letter(words: Mapping[str, int], vocabulary: Vocabulary) -> float:
    """Return how many pieces the tokenizer makes of a letter, each word as often as it comes; what stands for a syllable counts as SYLLABLE letters."""
    listed = list(words)
    rows = vocabulary.uncut().encode_batch(listed, add_special_tokens=False)
    pieces = sum(len(row.ids) * words[word] for word, row in zip(listed, rows, strict=True))
    return pieces / sum((len(word) + (SYLLABLE - 1) * len(_SYLLABLES.findall(word))) * words[word] for word in listed)


def read_as(words: Mapping[str, int]) -> str:
    """Return the language whose small words are most of those there are; English where none are."""
    often = {
        language: sum(count for word, count in words.items() if word.lower() in small)
        for language, small in ((name, set(said.split())) for name, said in _WORDS.items())
    }
    best = max(often.values())
    return "English" if often["English"] == best else max(often, key=lambda language: often[language])


def long_captions(captions: Sequence[str], vocabulary: Vocabulary) -> Hard | None:
    """Return it where a caption has more tokens than the text tower reads."""
    cut = beyond(vocabulary, captions)
    if not cut.cut:
        return None
    return Hard(
        name="long_captions", count=cut.cut, of=cut.captions,
        sentence=f"{cut}. Of such a caption, whole sentences are learnt from, as many as fit, drawn anew each time; a single sentence is cut.",
    )  # fmt: skip


def near_pictures(near: int, held: int, set_aside: bool, otherwise: str = "since too few would be left") -> Hard | None:
    """Return it where held-out pictures look nearly like some that are learnt from.

    Args:
        near: those that do.
        held: of so many.
        set_aside: whether they are not measured on.
        otherwise: why they are measured on all the same.
    """
    if not near:
        return None
    then = (
        "They are set aside, since a copy of what was learnt from tests nothing."
        if set_aside
        else f"They are measured on all the same, {otherwise}; so the numbers say less of new pictures. A column `group` keeps those of one series in one split."
    )
    return Hard(
        name="near_pictures", count=near, of=held,
        sentence=f"{near:,} of {held:,} held-out pictures look nearly like one that is learnt from. {then}",
    )  # fmt: skip


def left_out(found: Sequence[Hard], ways: Sequence[str]) -> dict[str, str]:
    """Return the ways to tune that such data is not for, each with why; one way is left whatever is found."""
    names = {one.name for one in found}
    if "other_language" in names and TEXTS in ways:
        return {
            way: "the captions are of another language than the tower's, so the texts alone are tuned"
            for way in ways
            if way != TEXTS
        }
    if "few_pictures" in names and len(ways) > 1 and WHOLE in ways:
        return {WHOLE: f"fewer than {FEW} pictures to learn from cannot hold all weights"}
    return {}
