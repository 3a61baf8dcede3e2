"""The document that the server sends: whole, locked in by its policy, in the colours of the program."""

import base64
import hashlib
import re
import urllib.request

import pytest
from conftest import PATIENCE_S, ROOT, palette


@pytest.fixture(scope="module")
def document(server):
    """Headers and text."""
    with urllib.request.urlopen(server.url, timeout=PATIENCE_S) as answer:
        return answer.headers, answer.read().decode()


def content(text, tag):
    [only] = re.findall(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", text, re.S)
    return only


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_allows_the_script_and_the_style_that_are_in_it(document, tag):
    headers, text = document
    digest = base64.b64encode(hashlib.sha256(content(text, tag).encode()).digest()).decode()
    rules = headers["Content-Security-Policy"].split("; ")
    assert f"{tag}-src 'sha256-{digest}'" in rules
    assert "default-src 'none'" in rules and "connect-src 'self'" in rules


def test_it_needs_nothing_from_elsewhere(document):
    _, text = document
    assert re.findall(r"\b(?:src|href)=\"(?!data:)([^\"]*)\"", text) == []
    assert "import" not in re.findall(r"^\w+", content(text, "script"), re.M)
    assert re.search(r"url\(|@import", content(text, "style")) is None


def test_it_is_asked_for_anew_each_time(document):
    headers, _ = document
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_every_module_is_in_it(document):
    script = content(document[1], "script")
    for file in (ROOT / "server" / "page").glob("*.js"):
        assert file.read_text().rstrip().splitlines()[-1] in script, file.name


def test_its_colours_are_those_of_annotated_pictures():
    source = (ROOT / "server" / "page" / "palette.js").read_text()
    colours = re.findall(r"\[(\d+), (\d+), (\d+)\]", source)
    assert [[int(n) for n in colour] for colour in colours] == palette()


def test_the_page_asks_only_its_server(shown, server):
    names = shown.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    asked = {re.sub(r"\?.*", "", name) for name in names if not name.startswith(("data:", "blob:"))}
    assert asked == {server.url + path for path in ("models", "metrics", "detect/codes")}


def test_the_policy_stops_other_scripts(page):
    page.script("const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
                "document.body.append(s)")
    assert page.script("return window.evil") is None
    page.driver.get_log("browser")  # the refusal is in it


def test_the_page_leaves_nothing_global(page):
    assert page.script("return typeof parseMetrics") == "undefined"
