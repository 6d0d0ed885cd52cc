"""What makes data hard to adapt to, on data of which it is known; words are read by CLIP's own tokenizer."""

from pathlib import Path

import pytest
from open_clip.tokenizer import default_bpe
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from components.data.tokenizer_files import of_length, read_tokenizer
from components.data.tokenizers import Vocabulary
from components.evaluation.hard_data import (
    _ENGLISH,
    few_pictures,
    hard_data,
    left_out,
    long_captions,
    near_pictures,
    one_label,
    other_language,
    read_as,
    unknown_words,
)

SAID = {
    "en": ["a yellow bicycle leans on a brick wall", "a smiling face with heart-shaped eyes", "a striped umbrella on the beach", "CT scan of the abdomen"],
    "de": ["ein gelbes Fahrrad lehnt an einer Mauer aus Backstein", "ein lächelndes Gesicht mit herzförmigen Augen", "ein gestreifter Schirm auf dem Strand"],
    "fr": ["un vélo jaune appuyé contre un mur de briques", "un visage souriant avec des yeux en forme de coeur", "un parapluie rayé sur la plage"],
    "es": ["una bicicleta amarilla apoyada en una pared de ladrillo", "una cara sonriente con los ojos de corazón", "una sombrilla a rayas en la playa"],
    "ru": ["жёлтый велосипед у кирпичной стены", "улыбающееся лицо"],
    "zh": ["一辆黄色的自行车靠在砖墙上", "笑脸"],
    "ja": ["レンガの壁に立てかけた黄色い自転車", "ハート型の目をした笑顔"],
    "ko": ["벽돌 담에 기대어 있는 노란 자전거", "웃는 얼굴"],
    "hi": ["ईंट की दीवार पर पीली साइकिल", "मुस्कुराता चेहरा"],
    "th": ["จักรยานสีเหลืองพิงกำแพงอิฐ", "ใบหน้ายิ้ม"],
}  # fmt: skip
WAYS = ("lora", "last layers", "locked image", "whole")


@pytest.fixture(scope="module")
def clips() -> Vocabulary:
    return of_length(read_tokenizer(Path(default_bpe())), 77, pad=0)


def test_of_usual_data_nothing_is_said(clips):
    assert hard_data(800, 100, SAID["en"], ["cat", "dog"] * 400, clips, ways=WAYS, asks_labels=True) == []
    assert left_out([], WAYS) == {}


def test_of_labels_few_pictures_do_not_choose_alone(clips):
    (found,) = hard_data(792, 99, SAID["en"], ["cat", "dog"] * 396, clips, ways=WAYS, asks_labels=True)
    assert (found.name, found.count, found.of) == ("few_to_choose_by", 99, 100)
    assert found.sentence.startswith(
        "There are 99 pictures to choose by, on which many ways do alike. Ways that tune nothing are chosen by folds of these and of the 792 to"
    )
    assert hard_data(792, 99, SAID["en"], ["cat", "dog"] * 396, clips, ways=WAYS, asks_labels=False) == [], (
        "captions rank"
    )
    assert left_out([found], WAYS) == {}


@pytest.mark.parametrize("language", ["de", "fr", "es", "ru", "zh", "ja", "ko", "hi", "th"])
def test_captions_of_another_language_than_the_towers_are_seen_and_texts_alone_are_tuned(language, clips):
    found = other_language(SAID[language], clips, WAYS)
    assert found is not None
    assert found.name == "other_language"
    named = {"de": "read as German", "fr": "read as French", "es": "read as Spanish"}
    assert named.get(language, "are in letters") in found.sentence
    assert set(left_out([found], WAYS)) == {"lora", "last layers", "whole"}
    assert "The texts alone are tuned, to pictures" in found.sentence
    assert left_out([found], ("lora", "whole")) == {}, "where texts cannot be tuned alone, the others are left"
    others = other_language(SAID[language], clips, ("lora", "whole"))
    assert others is not None
    assert "Tuned is by lora and whole all the same" in others.sentence


def test_ways_that_were_asked_for_are_said_to_be_tuned_by(clips):
    found = hard_data(
        16, 2, SAID["de"], [], clips, ways=("lora", "locked image", "whole"), asks_labels=False, named=True
    )
    few, german = (one.sentence for one in found)
    assert few.endswith("All weights are tuned all the same, since that way was asked for.")
    assert "Tuned is by lora and locked image and whole all the same, as was asked for" in german
    alone = other_language(SAID["de"], clips, ("locked image",), named=True)
    assert alone is not None
    assert "The texts alone are tuned" in alone.sentence


def test_the_language_that_a_tokenizer_was_made_for_is_no_other():
    """Made of German, it takes German apart less than English."""
    german = Vocabulary.train(SAID["de"] * 20, size=400, context=32)
    assert read_as({word: 1 for said in SAID["de"] for word in said.split()}) == "German"
    assert other_language(SAID["de"], german, WAYS) is None


@pytest.mark.parametrize("language", ["zh", "ja", "ko"])
def test_a_tokenizer_with_a_piece_for_each_syllable_was_made_for_its_language(language):
    """A character of these says as much as half a word of English."""
    english = [*pre_tokenizers.Whitespace().pre_tokenize_str(f"{_ENGLISH} {' '.join(SAID['en'])}")]
    pieces = dict.fromkeys(["<pad>", "[UNK]", *(word for word, _ in english), *"".join(SAID[language])])
    letters = Tokenizer(models.WordLevel({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    each = pre_tokenizers.Split(Regex("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]"), "isolated")
    letters.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), each])
    letters.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    letters.enable_truncation(32)
    letters.enable_padding(pad_id=0, pad_token="<pad>", length=32)
    assert other_language(SAID[language], Vocabulary(letters), WAYS) is None


def test_words_that_a_tokenizer_does_not_know_are_counted():
    known = {"<pad>": 0, "[UNK]": 1, "a": 2, "red": 3, "circle": 4}
    plain = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    plain.enable_truncation(8)
    plain.enable_padding(pad_id=0, pad_token="<pad>", length=8)
    words = Vocabulary(plain)
    assert unknown_words(["red", "blue", "circle"], words) == ["blue"]
    found = other_language(["a red circle", "a blue circle"], words, WAYS)
    assert found is not None
    assert "16.7% of their words are unknown" in found.sentence


def test_few_pictures_are_not_tuned_whole():
    assert few_pictures(30, 5, WAYS) is None
    found = few_pictures(16, 2, WAYS)
    assert found is not None
    assert found.sentence.startswith(
        "There are 16 pictures to learn from and 2 to choose by, one of which is 50 points"
    )
    assert found.sentence.endswith("Not all weights are tuned, which so few cannot hold.")
    assert set(left_out([found], WAYS)) == {"whole"}
    going_on = few_pictures(16, 2, (*WAYS, "continued"))
    assert going_on is not None
    assert going_on.sentence.endswith("All weights are tuned by training that goes on, and by no other way.")
    assert set(left_out([going_on], (*WAYS, "continued"))) == {"whole"}, "it learns from general pictures, too"
    assert left_out([found], ["whole"]) == {}
    alone = few_pictures(16, 2, ["whole"])
    assert alone is not None
    assert alone.sentence.endswith("All weights are tuned all the same, since no other way takes part.")


def test_a_label_that_is_nearly_all_there_is_is_named():
    assert one_label(["cat"] * 79 + ["dog"] * 21, True) is None
    assert one_label(["cat"] * 9, True) is None, "there is nothing to tell apart, which is said elsewhere"
    found = one_label(["cat"] * 90 + ["dog"] * 10, True)
    assert found is not None
    assert (found.count, found.of) == (90, 100)
    assert found.sentence.startswith("90.0% of the pictures are of 'cat'")
    assert "Labels count alike where one is chosen by" in found.sentence
    assert "as often as each other as far as there are pictures of the rarer ones" in found.sentence
    captions = one_label(["cat"] * 90 + ["dog"] * 10, False)
    assert captions is not None
    assert "count alike where one is chosen by" not in captions.sentence, "recall of captions is, and is not weighed"
    assert "a picture is asked for its caption" in captions.sentence


def test_captions_over_the_context_are_counted(clips):
    short = of_length(read_tokenizer(Path(default_bpe())), 12, pad=0)
    captions = [*SAID["en"], "A red car stands at the left. A blue car stands at the right. Both are wet."]
    assert long_captions(captions, clips) is None
    found = long_captions(captions, short)
    assert found is not None
    assert (found.count, found.of) == (1, 5)
    assert "whole sentences are learnt from" in found.sentence


def test_copies_over_the_split_are_counted_and_set_aside_where_enough_are_left():
    assert near_pictures(0, 20, True) is None
    aside, kept = near_pictures(3, 20, True), near_pictures(18, 20, False)
    assert aside is not None
    assert kept is not None
    assert "They are set aside" in aside.sentence
    assert kept.sentence.startswith("18 of 20 held-out pictures")
    assert "too few would be left" in kept.sentence
