"""Everybody can use the page: by keyboard, on a phone, in the dark, and nothing leaves the server."""

import re

import pytest
from conftest import Keys


def walk(page):
    """What Tab comes by, from the top of the page until it leaves it: { name: width of its outline }."""
    page.script("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    seen = {}
    for _ in range(40):
        page.press(Keys.TAB)
        now = page.focused()
        if page.script("return document.activeElement === document.body") or now in seen:
            break
        seen[now] = page.script("const style = getComputedStyle(document.activeElement);"
                                "return style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth)")
    return seen


def test_tab_comes_by_everything_in_the_order_of_the_page(shown):
    assert list(walk(shown)) == ["model", "choose", "camera", "threshold", "all", "qr", "data_matrix", "aztec",
                           "pdf417", "linear", "objects-scroll", "copy"]


def test_focus_can_be_seen_wherever_it_is(shown):
    outlines = walk(shown)
    assert min(outlines.values()) >= 2, outlines


def test_all_of_it_by_keyboard_alone(page, server, sample):
    page.script("""
        document.getElementById('file').addEventListener('click', (event) => {
            window.asked = true;
            event.preventDefault();
        })""")
    page.script("document.body.focus()")
    page.press(Keys.TAB, Keys.TAB)
    assert page.focused() == "choose"
    page.press(Keys.ENTER)
    assert page.script("return window.asked"), "Enter opens the file dialog"
    page.choose(sample)
    assert page.focused() == "choose"

    page.press(Keys.TAB, Keys.TAB)
    assert page.focused() == "threshold"
    sure = [one["label"] for one in server.detect(sample) if one["confidence"] >= 0.9]
    assert 0 < len(sure) < 4
    page.press(*[Keys.ARROW_RIGHT] * 50)
    assert page.text("threshold-value") == "0.90"
    assert page.labels() == sure

    page.press(*[Keys.ARROW_LEFT] * 20)
    page.press(Keys.TAB, Keys.TAB)
    assert page.focused() == "qr"
    page.press(Keys.SPACE)
    assert page.labels() == ["qr"]

    while page.focused() != "copy":
        page.press(Keys.TAB)
    page.press(Keys.ENTER)
    page.wait(lambda: page.text("copied") in ("Copied", "Selected"), "the word Copied")


def test_the_button_after_a_problem_is_reached_by_keyboard(page, sample):
    page.script("const real = fetch; let first = true; window.fetch = (path, options) => {"
                "if (!path.startsWith('detect') || !first) return real(path, options);"
                "first = false; return Promise.reject(new TypeError('down')); }")
    page.choose(sample)
    assert page.problem().startswith("The server does not answer")
    page.script("document.getElementById('camera').focus()")
    page.press(Keys.TAB)
    assert page.focused() == "Try again"
    page.press(Keys.ENTER)
    page.wait(lambda: len(page.objects()) == 4, "boxes")


def test_what_happens_is_said_aloud(page):
    live = page.script("return ['summary', 'health', 'copied', 'problem'].map("
                       "(id) => document.getElementById(id).getAttribute('role'))")
    assert live == ["status", "status", "status", "alert"]


def test_everything_to_be_used_has_a_name(shown):
    tree = shown.command("Accessibility.getFullAXTree")["nodes"]
    for node in tree:
        role = node.get("role", {}).get("value")
        if role in ("button", "slider", "combobox", "image", "region", "table") and not node["ignored"]:
            assert node.get("name", {}).get("value", "").strip() or role == "table", node


@pytest.mark.parametrize("width", [320, 360, 412])
def test_a_phone_scrolls_down_only(blank, server, sample, width):
    blank.set_size(width, 740, mobile=True)
    blank.open(server.url)
    assert scroll_width(blank) == width
    blank.choose(sample)
    assert scroll_width(blank) == width
    boxes = blank.id("boxes").rect
    assert boxes["x"] >= 0 and boxes["x"] + boxes["width"] <= width
    assert boxes["width"] >= width - 32


def scroll_width(page):
    return page.script("return document.documentElement.scrollWidth")


def test_a_long_message_and_a_long_name_fit_a_phone(blank, server, tmp_path):
    blank.set_size(360, 740, mobile=True)
    blank.open(server.url)
    file = tmp_path / ("a" * 200 + ".txt")
    file.write_text("no picture")
    blank.choose(file)
    assert scroll_width(blank) == 360


def test_fingers_hit_the_buttons_of_a_phone(blank, server):
    blank.set_size(360, 740, mobile=True)
    blank.open(server.url)
    for one in ("choose", "camera", "model"):
        assert blank.id(one).size["height"] >= 44, one


LUMINANCE = """
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
    const back = (element) => {
        for (let at = element; at !== null; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] > 0)
                return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.body.querySelectorAll("*")) {
        const says = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "");
        if (!says || element.getClientRects().length === 0 || ["OPTION", "SCRIPT", "STYLE"].includes(element.tagName))
            continue;
        const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(back(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5)
            poor.push(`${element.textContent.trim()}: ${contrast.toFixed(2)}`);
    }
    return poor;
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_the_light_and_in_the_dark(blank, server, sample, tmp_path, dark):
    """WCAG 2.1 AA: a contrast of at least 4.5."""
    blank.set_dark(dark)
    blank.open(server.url)
    assert blank.script(LUMINANCE) == []
    blank.choose(sample)
    blank.chip("qr").click()
    assert blank.script(LUMINANCE) == []
    file = tmp_path / "notes.txt"
    file.write_text("no picture")
    blank.choose(file)
    assert blank.problem() != ""
    assert blank.script(LUMINANCE) == []
    back = blank.script("return getComputedStyle(document.body).backgroundColor")
    mean = sum(map(int, re.findall(r"\d+", back)[:3])) / 3
    assert (mean < 60) if dark else (mean > 200)
