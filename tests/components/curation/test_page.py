from components.contracts.curation import Report
from components.curation.page import render_page


def test_every_reason_count_and_key_is_there_and_nothing_is_markup():
    first = Report(
        op="Keep", rows_in=1500, rows_out=1498, dropped={"words < 2 & <b>": 2}, examples={"words < 2 & <b>": ("k1", "<k2>")}, stats={"mean words": 3.25}
    )  # fmt: skip
    second = Report(op="Regroup", rows_in=1498, rows_out=1500, made=2)
    page = render_page("<clip>", [first.as_json(), second.as_json()])
    for said in (
        "1,500 training samples in, 1,500 out", "1,500 in = 1,498 out + 2 dropped", "1,498 in + 2 made = 1,500 out + 0 dropped", "words &lt; 2 &amp; &lt;b&gt;",
        "k1, &lt;k2&gt;", "3.25", "&lt;clip&gt;",
    ):  # fmt: skip
        assert said in page
    assert "<b>" not in page
    assert "<script" not in page


def test_what_a_step_warns_of_stands_with_it_and_nowhere_else():
    warned = Report(op="Translate", rows_in=5, rows_out=5, warnings=("3 of 5 translations into <de> say the same",))
    page = render_page("clip", [Report(op="Keep", rows_in=5, rows_out=5).as_json(), warned.as_json()])
    keep, _, translate = page.partition("Translate")
    assert "<strong>3 of 5 translations into &lt;de&gt; say the same</strong>" in translate
    assert "<strong>" not in keep
