"""What the page says when something goes wrong: the server's own words where there are any."""

import json
import shutil
import socket
import struct
import zlib

import pytest


def server_says(server, body):
    status, answer = server.post("detect", body)
    assert status >= 400
    return answer["error"]["message"]


@pytest.fixture
def held(start_server):
    """hold(server): a request that does not end, so that a server that drains has to wait."""
    sockets = []

    def hold(server):
        host, port = server.address.split(":")
        one = socket.create_connection((host, int(port)))
        sockets.append(one)
        one.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 400000)

    yield hold
    for one in sockets:
        one.close()


@pytest.mark.parametrize("name", ["notes.txt", "request.json"])
def test_a_file_that_is_no_picture(shown, server, tmp_path, name):
    file = tmp_path / name
    file.write_text('{"image": "no"}')
    shown.choose(file)
    assert shown.problem() == server_says(server, file.read_bytes())
    assert "JPEG, PNG and WebP are allowed" in shown.problem()
    assert shown.text("problem") == shown.problem(), "there is no button to try the same again"
    assert shown.objects() == [], "the boxes of the picture before are gone"
    assert shown.id("hint").is_displayed()


def test_a_damaged_picture(shown, server, sample, tmp_path):
    file = tmp_path / "cut.jpg"
    file.write_bytes(sample.read_bytes()[:600])
    shown.choose(file)
    assert shown.problem() == server_says(server, file.read_bytes())


def test_an_empty_file(page, server, tmp_path):
    file = tmp_path / "empty.png"
    file.touch()
    page.choose(file)
    assert page.problem() == server_says(server, b"")


def test_the_next_picture_takes_the_message_away(page, sample, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no picture")
    page.choose(file)
    assert page.problem() != ""
    page.choose(sample)
    page.wait(lambda: len(page.objects()) == 4, "boxes")
    assert page.text("problem") == ""


@pytest.fixture(scope="module")
def strict_server(start_server):
    return start_server("--limits-body-bytes", "100000", "--limits-side", "500")


def test_a_file_over_the_limit(blank, strict_server, sample):
    blank.open(strict_server.url)
    blank.choose(sample)
    assert blank.problem() == f"the body has {sample.stat().st_size} bytes; 100000 are allowed"


def test_a_file_far_over_the_limit(blank, strict_server, tmp_path):
    """The server closes while the browser still sends."""
    file = tmp_path / "huge.jpg"
    with file.open("wb") as out:
        out.truncate(60_000_000)
    blank.open(strict_server.url)
    blank.choose(file)
    assert "60000000 bytes" in blank.problem() and "100000" in blank.problem()


def test_a_picture_with_too_long_a_side(blank, strict_server, tmp_path):
    file = tmp_path / "wide.png"
    file.write_bytes(png(2000, 20))
    blank.open(strict_server.url)
    blank.choose(file)
    assert blank.problem() == server_says(strict_server, file.read_bytes())
    assert "2000" in blank.problem() and "500" in blank.problem()


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x80" * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_a_server_that_drains_then_is_gone_then_is_back(blank, start_server, held, sample):
    server = start_server()
    blank.open(server.url)
    held(server)
    server.terminate()
    blank.wait(lambda: server_drains(server), "draining")
    blank.choose(sample)
    assert blank.problem() == server_says(server, sample.read_bytes())
    assert "draining" in blank.problem()
    assert "Try again" in blank.text("problem")

    server.stop()
    blank.wait(lambda: blank.text("health") == "no connection", "the loss of the connection")
    blank.choose(sample)
    assert blank.problem() == "The server does not answer. Is it running, and is the network up?"

    start_server(listen=server.address)
    blank.wait(lambda: blank.text("health") == "connected", "the connection")
    blank.choose(sample)
    blank.wait(lambda: len(blank.objects()) == 4, "boxes")
    assert blank.text("problem") == ""


def test_a_server_without_metrics(blank, start_server, sample):
    blank.open(start_server("--metrics=false").url)
    assert blank.text("health") == "connected"
    assert blank.text("queue") == blank.text("rate") == "–"
    blank.choose(sample)
    blank.wait(lambda: len(blank.objects()) == 4, "boxes")


def server_drains(server):
    status, answer = server.post("detect", b"x")
    return status == 503 and answer["error"]["code"] == "not_ready"


def stub_detect(page, status, headers, body):
    """The next answers to /detect are these: for what a real server does seldom."""
    page.script("""
        const [status, headers, body] = arguments;
        const real = window.fetch;
        window.stubbed = 0;
        window.fetch = (path, options) => {
            if (!String(path).startsWith("detect"))
                return real(path, options);
            window.stubbed++;
            return Promise.resolve(new Response(body, { status, headers }));
        };
        window.restore = () => { window.fetch = real; };""", status, headers, body)


def test_a_busy_server_says_when_to_come_back(page, sample):
    error = json.dumps({"error": {"code": "queue_full", "message": "the queue is full"}})
    stub_detect(page, 503, {"Retry-After": "2"}, error)
    page.choose(sample)
    assert page.problem() == "the queue is full"
    assert page.text("problem").endswith(("Try again in 2 s", "Try again in 1 s"))
    page.wait(lambda: page.text("problem").endswith("Try again"), "the end of the time")
    page.script("restore()")
    page.driver.find_element("css selector", "#problem button").click()
    page.wait(lambda: len(page.objects()) == 4, "boxes")
    assert page.text("problem") == ""


def test_an_answer_that_is_no_json(page, sample):
    stub_detect(page, 502, {"Content-Type": "text/html"}, "<h1>Bad Gateway</h1>")
    page.choose(sample)
    assert page.problem() == "The server answered 502."


def test_a_message_is_shown_as_text_not_as_markup(page, sample):
    evil = "<img src=x onerror=alert(1)>"
    stub_detect(page, 400, {}, json.dumps({"error": {"message": evil}}))
    page.choose(sample)
    assert page.problem() == evil


def test_a_file_name_is_shown_as_text_not_as_markup(page, sample, tmp_path):
    file = tmp_path / "<b>bold<b>.jpg"
    shutil.copy(sample, file)
    page.choose(file)
    assert page.text("caption").startswith("<b>bold<b>.jpg")


def test_a_paste_without_a_picture(page):
    page.script("document.body.dispatchEvent(new ClipboardEvent('paste', {"
                "clipboardData: new DataTransfer(), bubbles: true }))")
    assert page.problem() == "There is no picture on the clipboard."
