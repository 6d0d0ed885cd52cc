"""Answers counted by what is and what was said, on rows whose counts can be seen."""

from components.evaluation.confusion import Confusion, Taken

SAID = [("cat", "cat"), ("cat", "dog"), ("cat", "dog"), ("dog", "dog"), ("hen", "dog"), ("dog", "owl")]
ROWS = [{"label": true, "first": answer} for true, answer in SAID]


def test_each_pair_is_counted_beside_how_many_its_class_has():
    found = Confusion.of(ROWS)
    assert found.pictures == 6
    assert found.classes == ("cat", "dog", "hen", "owl"), "what was said is a class too, though no picture is one"
    assert found.taken("cat", "dog") == Taken(true="cat", answer="dog", count=2, of=3)
    assert found.taken("cat", "dog").share == 2 / 3
    assert found.taken("cat", "hen").count == 0


def test_the_worst_come_first_and_what_is_right_is_none_of_them():
    worst = Confusion.of(reversed(ROWS)).worst()
    assert [(one.true, one.answer, one.count) for one in worst] == [
        ("cat", "dog", 2),
        ("hen", "dog", 1),
        ("dog", "owl", 1),
    ]


def test_nothing_is_taken_for_anything_where_all_is_right():
    assert Confusion.of([{"label": "cat", "first": "cat"}]).worst() == []


def test_the_counts_are_gone_through_a_few_times_however_many_pairs_there_are():
    """Once for each pair is hundreds of millions of steps where a thousand classes are confused."""

    class Watched(dict[tuple[str, str], int]):
        asked = 0

        def items(self):
            self.asked += 1
            return super().items()

    counts = Watched({(f"c{place}", f"c{place // 2}"): place + 1 for place in range(50)})
    worst = Confusion(counts=counts).worst()
    assert [(one.true, one.of) for one in worst[:2]] == [("c49", 50), ("c48", 49)]
    assert len(worst) == 49
    assert counts.asked <= 2
