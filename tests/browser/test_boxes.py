"""What the page shows of a picture: boxes, table, filters, the same with curl."""

import base64
import json
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT, WEIGHTS, palette

CLASSES = ["qr", "data_matrix", "aztec", "pdf417", "linear"]


def as_shown(detections):
    sides = ("x_min", "y_min", "x_max", "y_max")
    return [(one["label"], one["confidence"], [one["box"][side] for side in sides]) for one in detections]


def assert_shows(page, detections):
    """The table has these, in this order, rounded as it rounds."""
    rows, expected = page.objects(), as_shown(detections)
    assert [row[0] for row in rows] == [one[0] for one in expected]
    for (_, confidence, box), (_, right_confidence, right_box) in zip(rows, expected):
        assert confidence == pytest.approx(right_confidence, abs=0.0051)
        assert box == pytest.approx(right_box, abs=0.51)


def drawn_colour(page, detection):
    """The colour at the middle of a box's left line."""
    box = detection["box"]
    line = page.box_pixel(box["x_min"] + 1, (box["y_min"] + box["y_max"]) / 2, 960, 720)
    return line[:3] if line[3] == 255 else None


def test_the_sample_shows_the_boxes_that_the_server_finds(shown, server, sample):
    detections = server.detect(sample)
    assert sorted(one["label"] for one in detections) == ["aztec", "data_matrix", "linear", "qr"]
    assert_shows(shown, detections)
    for one in detections:
        assert drawn_colour(shown, one) == palette()[one["class_id"]], one["label"]
    assert shown.text("summary").startswith("4 objects found")


def test_nothing_is_drawn_where_no_box_is(shown):
    assert shown.box_pixel(700, 200, 960, 720) == [0, 0, 0, 0]


def test_the_picture_has_a_description_for_those_who_do_not_see_it(shown):
    said = shown.id("boxes").get_attribute("aria-label")
    assert said.startswith("sample.jpg: 4 objects found")
    for label in ("qr", "data_matrix", "aztec", "linear"):
        assert re.search(rf"\b{label} 0\.\d\d", said)


def test_stages_and_their_sum_are_shown(shown):
    lines = dict(re.findall(r"(Receive|Decode|Queue|Infer|Postprocess|Server|With the network)([\d.]+) ms",
                            shown.text("timing-list")))
    assert len(lines) == 7
    assert float(lines["Infer"]) > 0
    assert float(lines["With the network"]) >= float(lines["Server"]) >= float(lines["Infer"])


def test_the_slider_hides_what_is_below_it_without_asking_again(shown, server, sample):
    detections = server.detect(sample)
    between = (detections[1]["confidence"] + detections[2]["confidence"]) / 2
    shown.set_slider(round(between, 2))
    assert_shows(shown, [one for one in detections if one["confidence"] >= round(between, 2)])
    assert drawn_colour(shown, detections[3]) is None
    shown.set_slider(1)
    assert shown.text("summary").startswith("Nothing found")
    assert len(shown.requests("/detect")) == 1


def test_a_slider_below_the_models_own_confidence_asks_again(shown, server, sample):
    more = server.detect(sample, "?confidence=0.02")
    assert len(more) > 4
    shown.set_slider(0.02)
    shown.wait(lambda: len(shown.objects()) == len(more), "more boxes")
    assert_shows(shown, more)
    assert len(shown.requests("/detect")) == 2


def test_a_chosen_class_is_shown_alone_until_all_are_chosen(shown):
    shown.chip("qr").click()
    assert shown.labels() == ["qr"]
    assert shown.chip("qr").get_attribute("aria-pressed") == "true"
    assert shown.text("summary").startswith("1 of 4 objects shown")
    shown.chip("linear").click()
    assert sorted(shown.labels()) == ["linear", "qr"]
    shown.chip("qr").click()
    assert shown.labels() == ["linear"]
    shown.driver.find_element("css selector", "#classes button").click()
    assert len(shown.labels()) == 4


def test_a_hidden_class_has_no_box(shown, server, sample):
    shown.chip("qr").click()
    for one in server.detect(sample):
        assert (drawn_colour(shown, one) is not None) == (one["label"] == "qr")


def test_every_class_of_a_small_model_has_a_button_with_its_count(page, sample):
    names = page.script("return [...document.querySelectorAll('[data-label]')].map((b) => b.dataset.label)")
    assert names == CLASSES
    page.choose(sample)
    assert page.chip("qr").get_attribute("textContent") == "qr 1"
    assert page.chip("pdf417").get_attribute("textContent").strip() == "pdf417"


@pytest.mark.parametrize("name", ["sample.jpg", "it's a $(pwd) \"sample\" & more.jpg"])
def test_the_curl_line_gives_what_is_shown(page, server, sample, tmp_path, name):
    detections = server.detect(sample)
    best, least = detections[0], detections[-1]
    shutil.copy(sample, tmp_path / name)
    page.choose(tmp_path / name)
    page.set_slider(round((best["confidence"] + least["confidence"]) / 2, 2))
    page.chip(best["label"]).click()
    page.chip(least["label"]).click()
    line = page.text("curl")
    assert shlex.split(line)[:3] == ["curl", "--data-binary", f"@{name}"]
    ran = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=True, timeout=30)
    answer = json.loads(ran.stdout)
    assert [one["label"] for one in answer["detections"]] == [best["label"]]
    assert_shows(page, answer["detections"])


def test_the_curl_line_can_be_copied(shown):
    shown.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    shown.id("copy").click()
    shown.wait(lambda: shown.text("copy") == "Copied", "the word Copied")
    copied = shown.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == shown.text("curl")


def give(page, kind, path):
    """A file by a drop or a paste, as the browser tells the page of it."""
    page.script("""
        const [kind, name, text] = arguments;
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, { type: "image/jpeg" }));
        document.body.dispatchEvent(kind === "drop"
            ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));""",
                kind, path.name, base64.b64encode(path.read_bytes()).decode())


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(page, server, sample, kind):
    give(page, kind, sample)
    page.wait_for_outcome()
    assert_shows(page, server.detect(sample))


def test_a_turned_photograph_has_its_boxes_where_it_is_shown(page, server, tmp_path):
    """EXIF orientation 6: stored lying, shown standing."""
    exif = bytes.fromhex("ffe1002245786966000049492a00080000000100120103000100000006000000" "00000000")
    picture = (ROOT / "docs" / "images" / "sample.jpg").read_bytes()
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(picture[:2] + exif + picture[2:])
    _, answer = server.post("detect?confidence=0.1", turned.read_bytes())
    assert (answer["image"]["width"], answer["image"]["height"]) == (720, 960)
    page.choose(turned)
    assert "720 × 960" in page.text("caption")
    size = page.id("boxes").size
    assert size["width"] / size["height"] == pytest.approx(720 / 960, abs=0.01)


def test_another_model_is_asked_when_it_is_chosen(blank, start_server, sample, tmp_path):
    model = {"detector": "nanodet-m-320", "weights": str(WEIGHTS)}
    config = tmp_path / "two.json"
    config.write_text(json.dumps({"models": [{**model, "name": "first", "confidence": 0.4},
                                             {**model, "name": "second", "confidence": 0.9}]}))
    server = start_server("--config", str(config))
    blank.open(server.url)
    blank.choose(sample)
    assert len(blank.objects()) == 4
    blank.script("const m = document.getElementById('model'); m.value = 'second';"
                 "m.dispatchEvent(new Event('change'))")
    right = server.detect(sample, "/second")
    assert 0 < len(right) < 4
    blank.wait(lambda: len(blank.objects()) == len(right), "the second model's answer")
    assert_shows(blank, right)
    assert "/detect/second?confidence=0.9" in blank.text("curl")
    assert blank.text("threshold-value") == "0.90"


METRICS = r"""
# HELP spotter_queue_depth Pictures that wait for a model.
# TYPE spotter_queue_depth gauge
spotter_queue_depth{model="a"} 3
spotter_queue_depth{model="odd \"}{\\ name"} 4 1700000000000
spotter_queue_depth_other 100
spotter_build_info{backend="c\"pu",version="9.8"} 1
spotter_device_healthy{device="cpu"} 0
"""


def test_counters_of_all_models_are_added_up(blank, server):
    stub = "const real = fetch; window.fetch = (path, options) => path === 'metrics'" \
           f" ? Promise.resolve(new Response({json.dumps(METRICS)})) : real(path, options)"
    script = blank.command("Page.addScriptToEvaluateOnNewDocument", source=stub)
    try:
        blank.open(server.url)
        blank.wait(lambda: blank.text("queue") == "7", "the sum of the queues")
        assert blank.text("about") == 'spotter 9.8, backend c"pu'
        assert blank.text("health") == "device failed"
    finally:
        blank.command("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_throughput_and_queue_are_live(page, server, sample):
    page.wait(lambda: page.text("rate") == "0.0", "a first rate")
    for _ in range(5):
        server.detect(sample)
    page.wait(lambda: page.text("rate") not in ("0.0", "–"), "a rate")
    assert page.text("queue") == "0"
    assert "backend cpu" in page.text("about")
    points = page.script("return document.querySelector('#rate-line polyline').getAttribute('points')")
    assert len(points.split()) >= 2
