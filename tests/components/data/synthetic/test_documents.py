import numpy as np
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.sample import Sample
from components.data.sources.interleaved_docs import InterleavedDocs
from components.data.sources.which import describe_path
from components.data.synthetic.documents import (
    BOILERPLATE,
    DocumentOptions,
    document,
    main,
    shown_in,
    write_documents,
)

OPTIONS = DocumentOptions()


def test_a_document_depends_on_seed_and_index_alone():
    assert document(3, 5, OPTIONS) == document(3, 5, OPTIONS) != document(3, 6, OPTIONS)


def test_every_picture_has_one_text_that_stands_beside_it_and_the_rest_is_boilerplate():
    noise = []
    for index in range(200):
        parts = document(0, index, OPTIONS).parts
        told = {part.of: place for place, part in enumerate(parts) if part.of is not None}
        pictures = [place for place, part in enumerate(parts) if part.scene is not None]
        assert sorted(told) == pictures
        for picture, text in told.items():
            assert abs(picture - text) == 1
            assert f"{parts[picture].scene.things[0].colour} {parts[picture].scene.things[0].shape}" in parts[text].text
        rest = [part.text for part in parts if part.scene is None and part.of is None]
        assert set(rest) <= set(BOILERPLATE)
        noise.append(len(rest) / len(pictures))
    assert np.mean(noise) == pytest.approx(1.0, abs=0.2)


def test_copies_have_the_pictures_of_the_one_before_and_other_boilerplate():
    options = DocumentOptions(duplicates=0.4, noise=3.0)
    made = [document(0, index, options) for index in range(200)]
    copies = [one for one in made if one.copy_of is not None]
    assert len(copies) / len(made) == pytest.approx(0.4, abs=0.1)
    for one in copies:
        assert made[one.copy_of].copy_of is None
        assert shown_in(one) == shown_in(made[one.copy_of])
    assert any(one.parts != made[one.copy_of].parts for one in copies)
    assert len({tuple(shown_in(one)) for one in made}) >= len(made) - len(copies) - 1


def test_the_source_of_documents_reads_what_is_written_and_finds_the_right_words(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "docs"
    monkeypatch.setattr("sys.argv", ["documents", str(folder), "--count", "20", "--seed", "2"])
    main()
    pictures = sum(len(shown_in(document(2, index, OPTIONS))) for index in range(20))
    assert f"20 documents with {pictures} pictures" in capsys.readouterr().out
    found = list(InterleavedDocs(str(folder)).samples(0, silent))
    assert all(isinstance(one, Sample) for one in found)
    assert len(found) == pictures
    assert {one.licence for one in found} == {"CC0-1.0"}
    assert describe_path(folder, watched=False)["name"] == "interleaved_docs"
    right = 0
    for one in found:
        parts = document(2, int(one.page.document.split("/")[-1]) - 1, OPTIONS).parts
        assert parts[one.page.place].scene is not None
        text = parts[one.page.text_place]
        assert one.texts[0].text in text.text
        right += text.of == one.page.place
    assert 0.5 < right / pictures < 1.0  # a text on the other side can be as near, so a source cannot always know


def test_a_full_folder_and_options_that_mean_nothing_are_refused(tmp_path):
    (tmp_path / "there.txt").write_text("")
    with pytest.raises(DataError, match="not empty"):
        write_documents(tmp_path, 1, 0, OPTIONS)
    for wrong in ({"pictures": (0, 2)}, {"pictures": (2, 9)}, {"noise": -1}, {"duplicates": 1.0}):
        with pytest.raises(ConfigError, match="from 1 to 8 pictures"):
            DocumentOptions(**wrong)
