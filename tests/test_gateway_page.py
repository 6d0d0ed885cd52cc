"""The page in a real Chromium, on a real server: typed words, a picture that is given, keys, thumbs, and captions that mean harm."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from components.data.manifest import LABELS, SCHEMA, write_manifest
from components.data.sources.emoji_wheels import LANGUAGES
from components.serving.gateway.feedback import feedback_file
from components.serving.gateway.keys import add_key, keys_file
from components.serving.gateway.settings import Settings
from flows.serving.deploy import deploy, deploy_beside, end_beside
from flows.serving.down import down
from infra.browser import Tab
from tests.components.serving.gateway.conftest import running
from tests.components.serving.tiny_package import COLOURS, make_package, picture
from tests.test_pages import DESK, PHONE, axe, serious, tab  # noqa: F401  # fixtures

REPOSITORY = Path(__file__).parents[1]
RED = {
    "ar": "أحمر", "es": "rojo", "fa": "قرمز", "fr": "rouge", "id": "merah", "it": "rosso", "ja": "赤", "ko": "빨강", "pt": "vermelho", "ru": "красный", "tr": "kırmızı",
    "zh": "红",
}  # fmt: skip
"""With English and German, the languages of the emoji."""
pytestmark = pytest.mark.timeout(600)
HARM = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three pictures in two languages, one of which is called by what a browser would run."""
    root = tmp_path_factory.mktemp("page")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    shard, rows = b"", []
    for name, colour in COLOURS.items():
        data = picture(colour, 200)
        texts = [
            {"text": f"a {name} square", "kind": "short", "lang": "en"},
            {"text": f"ein Quadrat: {name}", "kind": "short", "lang": "de"},
        ]
        if name == "red":
            texts += [{"text": word, "kind": "short", "lang": code} for code, word in RED.items()]
        if name == "green":
            texts.append({"text": HARM, "kind": "short", "lang": "fr"})
        rows.append(
            {
                **dict.fromkeys(SCHEMA.names), "key": f"key-{name}", "source": "tiny", "split": "val" if name == "red" else "train", "licence": "CC0-1.0",
                "shard": "train/000000.tar", "offset": len(shard), "size_bytes": len(data), "sha256": sha256(data).hexdigest(), "texts": texts,
                "labels": dict.fromkeys(LABELS),
            }
        )  # fmt: skip
        shard += data
    (root / "data/raw/train").mkdir(parents=True)
    (root / "data/raw/train/000000.tar").write_bytes(shard)
    write_manifest(pa.Table.from_pylist(rows, SCHEMA), root / "data/raw/manifest.parquet")
    try:
        deploy(make_package(root / "first"), root, "tiny@1")
        yield root
    finally:
        down(root)


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with running(Settings(root=root)) as address:
        yield address


@pytest.fixture
def page(tab: Tab, address: str) -> Tab:  # noqa: F811
    return opened(tab, address)


def opened(tab: Tab, address: str, size: tuple[int, int] = DESK) -> Tab:  # noqa: F811
    tab.size(*size)
    tab.open("about:blank")
    tab.open(f"{address}/")
    tab.wait("document.getElementById('about')?.textContent.includes('3 pictures')")
    return tab


def typed(page: Tab, words: str) -> None:
    page.ask(
        f"(() => {{const its = document.getElementById('words'); its.value = {json.dumps(words)}; its.dispatchEvent(new Event('input'))}})()"
    )
    page.wait(f"document.getElementById('said').textContent.includes({json.dumps(words)})")


def captions(page: Tab) -> list[str]:
    return page.ask("[...document.querySelectorAll('.hits .caption')].map(one => one.textContent)")


def chosen(page: Tab, control: str, value: str) -> None:
    page.ask(
        f"(() => {{const its = document.querySelector({json.dumps(control)}); its.value = {json.dumps(value)}; its.dispatchEvent(new Event('change'))}})()"
    )


def test_words_show_pictures_as_they_are_typed(page):
    typed(page, "a blue squ")
    assert captions(page)[0] == "a blue square"
    page.wait(
        "[...document.images].filter(one => one.closest('.hits')).every(one => one.complete && one.naturalWidth == 160)"
    )
    assert page.ask("document.querySelector('.hits img').alt") == "a blue square"
    typed(page, "a red square")
    assert captions(page)[0] == "a red square"
    assert "ms, by tiny@1" in page.ask("document.getElementById('said').textContent")


def test_every_file_comes_from_here_and_the_console_is_silent(tab, address):  # noqa: F811
    before = len(tab.asked), len(tab.complaints)
    typed(opened(tab, address), "a red square")
    tab.wait("[...document.images].filter(one => one.closest('.hits')).every(one => one.complete)")
    assert all(one.startswith((address, "about:")) for one in tab.asked[before[0] :])
    assert tab.complaints[before[1] :] == ()


def test_a_filter_and_a_language(page):
    typed(page, "a red square")
    chosen(page, "[data-filter=split]", "val")
    page.wait("document.querySelectorAll('.hits li').length == 1")
    assert captions(page) == ["a red square"]
    chosen(page, "#language", "de")
    page.wait("document.querySelector('.hits .caption').textContent == 'ein Quadrat: red'")
    assert page.ask("document.querySelector('.hits .caption').lang") == "de"


def test_fourteen_languages_can_be_chosen_and_each_caption_is_in_its_own(page):
    assert {*RED, "en", "de"} == set(LANGUAGES)
    shown = page.ask(
        "[...document.querySelectorAll('#language option')].map(one => [one.value, one.lang, one.textContent])"
    )
    assert {code for code, _, _ in shown} == set(LANGUAGES)
    assert all(code == lang and name and name != code for code, lang, name in shown), "by name, not by code"
    typed(page, "a red square")
    for code, word in RED.items():
        chosen(page, "#language", code)
        page.wait(f"document.querySelector('.hits .caption').textContent == {json.dumps(word)}")
        assert page.ask("document.querySelector('.hits .caption').lang") == code
    typed(page, "赤")
    assert captions(page)[0] == RED["zh"], "found by its words in another language, and said in the one that was chosen"
    chosen(page, "#language", "ar")
    page.wait("document.querySelector('.hits .caption').matches(':lang(ar):dir(rtl)')")


def test_a_caption_is_shown_and_never_run(page):
    typed(page, "green")
    chosen(page, "#language", "fr")
    page.wait(f"[...document.querySelectorAll('.hits .caption')].some(one => one.textContent == {json.dumps(HARM)})")
    assert page.ask("window.harmed === undefined")
    assert page.ask("document.querySelectorAll('.hits script').length") == 0


def test_what_is_not_from_here_would_not_run(page):
    page.ask(
        "(() => {const its = document.createElement('script'); its.textContent = 'window.harmed = 1'; document.body.append(its)})()"
    )
    assert page.ask("window.harmed === undefined"), "the policy forbids scripts within the page"


def test_a_picture_that_is_given_has_labels_and_neighbours(page):
    page.ask(GREEN + "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}))})()")
    page.wait("document.querySelectorAll('#labels li').length == 3")
    assert page.ask("document.querySelector('#labels li span').textContent") == "green"
    page.wait("document.getElementById('said').textContent.includes('your picture')")
    assert captions(page)[0] == "a green square"
    page.ask("document.getElementById('clear').click()")
    page.wait("document.getElementById('shown').hidden && document.querySelectorAll('.hits li').length == 0")


GREEN = """(async () => {
    const its = document.createElement('canvas'); its.width = its.height = 40;
    const pen = its.getContext('2d'); pen.fillStyle = 'rgb(20,200,40)'; pen.fillRect(0, 0, 40, 40);
    const blob = await new Promise(done => its.toBlob(done));
    const given = new DataTransfer(); given.items.add(new File([blob], '<b>green</b>.png', {type: 'image/png'}));
    """
"""A picture in `given`, as a person's hand or clipboard has it."""


def test_the_name_of_a_file_is_text_and_makes_no_element(page):
    before = page.ask("document.querySelectorAll('b').length")
    page.ask(GREEN + "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}))})()")
    page.wait("document.getElementById('named').textContent == '<b>green</b>.png'")
    page.wait("document.querySelectorAll('#labels li').length == 3")
    assert page.ask("document.getElementById('named').children.length") == 0
    assert page.ask("document.querySelectorAll('b').length") == before == 0
    page.ask("document.getElementById('clear').click()")
    page.wait("document.getElementById('named').textContent == ''")


def test_a_picture_that_is_pasted_is_searched_by(page):
    page.ask("document.getElementById('words').focus()")
    page.ask(
        GREEN
        + "document.activeElement.dispatchEvent(new ClipboardEvent('paste', {clipboardData: given, bubbles: true}))})()"
    )
    page.wait("document.querySelector('#labels li span')?.textContent == 'green'")
    page.wait("document.getElementById('said').textContent.includes('your picture')")
    assert captions(page)[0] == "a green square"


def test_labels_that_come_late_are_not_shown_under_another_picture(page):
    """The first picture's are held back until the second's are there."""
    page.ask("""(() => { const plain = window.fetch; let first = true;
        window.fetch = async (path, its) => {
            const answer = plain(path, its);
            if (path === 'v1/classify' && first) { first = false; await new Promise(done => { window.release = done; }); }
            return answer;
        }; })()""")
    drop = "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}))})()"
    page.ask(GREEN.replace("20,200,40", "230,20,20") + drop)
    page.wait("window.release !== undefined")
    page.ask(GREEN + drop)
    page.wait("document.querySelector('#labels li span')?.textContent == 'green'")
    page.ask("(async () => { window.release(); await new Promise(done => setTimeout(done, 300)); })()")
    assert page.ask("document.querySelector('#labels li span').textContent") == "green"


def test_words_that_are_pasted_are_words(page):
    page.ask(
        """(() => {const given = new DataTransfer(); given.setData('text/plain', 'a red square');
        document.getElementById('words').dispatchEvent(new ClipboardEvent('paste', {clipboardData: given, bubbles: true}))})()"""
    )
    typed(page, "a red square")
    assert page.ask("document.getElementById('shown').hidden")


def test_a_phone_shoots_a_picture(page, tmp_path):
    shot = tmp_path / "shot.png"
    shot.write_bytes(picture(COLOURS["blue"], 300))
    drawn = "getComputedStyle(document.querySelector('label[for=shoot]')).display"
    assert page.ask(drawn) == "none", "a desk has a camera of another kind"
    page.touch(True)
    try:
        page.size(*PHONE)
        page.wait(f"{drawn} != 'none'")
        assert page.ask("[...['type', 'accept', 'capture'].map(one => document.getElementById('shoot').getAttribute(one))]") == [
            "file", "image/*", "environment",
        ]  # fmt: skip
        page.choose("#shoot", shot)
        page.wait("document.querySelector('#labels li span')?.textContent == 'blue'")
        page.wait("document.getElementById('said').textContent.includes('your picture')")
        assert captions(page)[0] == "a blue square"
        assert page.ask("document.getElementById('named').textContent") == "shot.png"
        assert page.ask("document.getElementById('shoot').value") == "", "the same picture may be shot again"
    finally:
        page.touch(False)


def test_what_is_no_picture_is_said(page):
    page.ask(
        """(() => {const given = new DataTransfer(); given.items.add(new File(['x'], 'a.txt', {type: 'text/plain'}));
        dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}))})()"""
    )
    page.wait("document.getElementById('said').textContent == 'That is no picture.'")


def test_alike_and_a_thumb(page, root):
    feedback_file(root).unlink(missing_ok=True)
    typed(page, "a red square")
    page.ask("document.querySelector('.hits .up').click()")
    page.wait("document.querySelector('.hits .up').getAttribute('aria-pressed') == 'true'")
    assert json.loads(feedback_file(root).read_text())["key"] == "key-red"
    page.ask("document.querySelectorAll('.hits li')[1].querySelector('button').click()")
    page.wait("document.getElementById('said').textContent.includes('pictures for “a ')")
    assert captions(page)[0] != "a red square"


@contextmanager
def beside(page: Tab, root: Path, address: str, number: int) -> Iterator[None]:
    """Serve `tiny@NUMBER` beside the first one while the block runs; the page, opened anew, offers to compare them."""
    deploy_beside(make_package(root / f"package-{number}", seed=number), root, f"tiny@{number}")
    try:
        opened(page, address)
        page.wait("!document.getElementById('both').hidden")
        yield
    finally:
        end_beside(root)


def compared(page: Tab, words: str) -> list[str]:
    """Ask both by these words; return their names as the page has them."""
    page.ask("document.getElementById('compare').checked || document.getElementById('compare').click()")
    typed(page, words)
    return page.ask("[...document.querySelectorAll('#results h2')].map(one => one.textContent)")


def labels_by_version(page: Tab) -> dict[str, list[str]]:
    return dict(
        page.ask("""[...document.querySelectorAll('#labels section')].map(its =>
        [its.querySelector('h4').textContent, [...its.querySelectorAll('li span:first-child')].map(one => one.textContent)])""")
    )


def test_two_versions_side_by_side(page, root, address):
    with beside(page, root, address, 2):
        assert compared(page, "a red square") == ["tiny@1", "tiny@2"]
        assert page.ask("document.querySelectorAll('.hits').length") == 2
        page.ask(GREEN + "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}))})()")
        page.wait("document.querySelectorAll('#labels h4').length == 2")
        assert {name: len(labels) for name, labels in labels_by_version(page).items()} == {"tiny@1": 3, "tiny@2": 3}
        page.ask("document.getElementById('compare').click()")
        page.wait(
            "document.querySelectorAll('#labels h4').length == 0 && document.querySelectorAll('#labels li').length == 3"
        )


def test_where_one_version_refuses_the_other_one_is_shown(page, root, address):
    with beside(page, root, address, 3):
        page.ask("""(() => { const plain = window.fetch;
            window.fetch = (path, its) => its?.body?.includes('tiny@3')
                ? Promise.resolve(new Response(JSON.stringify({error: {code: 'overloaded', message: 'Too many ask.'}}), {status: 503})) : plain(path, its); })()""")
        assert compared(page, "a red square") == ["tiny@1", "tiny@3"]
        assert captions(page)[0] == "a red square"
        assert page.ask("document.querySelector('#results section:last-child p').textContent") == "Too many ask."


def test_a_version_that_was_replaced_meanwhile_is_not_asked_for_ever(page, root, address):
    """The page knows the versions of when it was opened; after a deploy it learns the new ones from the refusal."""
    with beside(page, root, address, 4):
        assert compared(page, "a red square") == ["tiny@1", "tiny@4"]
        end_beside(root)
        deploy_beside(make_package(root / "package-5", seed=5), root, "tiny@5")
        page.wait(
            "fetch('v1/models').then(said => said.json()).then(said => said.data.some(one => one.id == 'tiny@5'))"
        )
        typed(page, "a blue square")
        page.wait("[...document.querySelectorAll('#results h2')].map(one => one.textContent).join() == 'tiny@1,tiny@5'")


@pytest.fixture
def token(tab: Tab, root: Path, address: str) -> Iterator[str]:  # noqa: F811
    """A key, without which the page that is open does not go on."""
    made = add_key(root, "anna")
    try:
        tab.open("about:blank")
        tab.wait("new Promise(done => setTimeout(() => done(true), 600))")
        tab.open(f"{address}/")
        tab.wait("document.getElementById('door')?.open")
        yield made
    finally:
        keys_file(root).unlink()
        tab.ask("sessionStorage.clear()")
        tab.wait("new Promise(done => setTimeout(() => done(true), 600))")


def entered(page: Tab, key: str) -> None:
    page.ask(f"document.getElementById('key').value = {json.dumps(key)}; document.getElementById('enter').click()")


def test_where_keys_are_in_use_the_page_asks_for_one(tab, token):  # noqa: F811
    entered(tab, token)
    tab.wait("document.getElementById('about').textContent.includes('3 pictures')")
    typed(tab, "a red square")
    tab.wait("document.querySelector('.hits img')?.naturalWidth == 160")


def test_a_key_that_no_request_can_carry_is_said_at_the_door_and_not_remembered(tab, token):  # noqa: F811
    entered(tab, f"{token[:9]}…")
    tab.wait("document.getElementById('no-key').textContent.includes('No key has “…” in it')")
    assert tab.ask("document.getElementById('door').open")
    tab.press("Escape")
    tab.wait("document.getElementById('about').textContent.includes('A key is needed here')")
    assert tab.ask("sessionStorage.length") == 0
    tab.ask("location.reload()")
    tab.wait("document.getElementById('door')?.open && !document.getElementById('no-key').textContent")
    entered(tab, f" {token} ")
    tab.wait("document.getElementById('about').textContent.includes('3 pictures')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_no_serious_fault_and_nothing_scrolls_sideways(tab, address, axe, size, scheme):  # noqa: F811
    tab.scheme(scheme)
    typed(opened(tab, address, size), "a red square")
    tab.ask("document.querySelector('details').open = true")
    assert serious(tab, axe) == []
    assert tab.ask("document.documentElement.scrollWidth") <= size[0]


def test_tab_goes_from_the_words_to_the_results(page):
    typed(page, "a red square")
    reached = []
    page.ask("document.getElementById('words').focus()")
    for _ in range(12):
        page.press("Tab")
        reached.append(
            page.ask(
                "document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"
            )
        )
    assert "file" in reached
    assert "mode" in reached
    assert any(str(one).startswith("Pictures like") for one in reached)
