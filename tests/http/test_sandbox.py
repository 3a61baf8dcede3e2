"""Pictures decoded by helper processes: the same answers, and what happens when a helper fails."""

import json
import os
import pathlib
import re
import signal
import threading
import time

import pytest
from bad_inputs import STRANGERS, UNDECODABLE
from conftest import ROOT, png, until

PICTURE = png(64, 48)
CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "image"


def helpers(server):
    """Process ids of the server's decode helpers."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            stat = (entry / "stat").read_text() if entry.name.isdigit() else ""
            if stat and int(stat.rsplit(")", 1)[1].split()[1]) == server.process.pid and "decode-helper" in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


@pytest.fixture
def sandboxed(serve):
    server = serve("--decode-sandbox", "--decode-workers", 1, "--limits-decode-ms", 2500)
    assert len(helpers(server)) == 1
    return server


def test_a_sandbox_changes_no_answer(serve):
    plain, sandboxed = serve(backend="cpu"), serve("--decode-sandbox", backend="cpu")
    pictures = [path.read_bytes() for path in sorted(CORPUS.iterdir())] + list(UNDECODABLE.values()) + list(STRANGERS.values())
    pictures.append((ROOT / "docs" / "images" / "sample.jpg").read_bytes())

    def answer(server, data):
        reply = server.post(data, "/detect?confidence=0.05&id=x")
        return reply.status, {key: value for key, value in reply.json.items() if key != "timing_ms"}

    for data in pictures:
        assert answer(sandboxed, data) == answer(plain, data)
    assert not sandboxed.lines("decoder_lost")


def test_a_large_picture_passes_and_its_memory_goes_back(serve):
    server = serve("--decode-sandbox", "--decode-workers", 1, "--limits-decode-ms", 100000)
    reply = server.post(png(6000, 5000))
    assert (reply.status, reply.json["image"]["width"]) == (200, 6000)
    shared = re.search(r"RssShmem:\s+(\d+) kB", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())
    assert int(shared.group(1)) < 16 * 1024


def stopped_in_a_picture(server):
    """Stops the helper and posts a picture; returns the helper, the thread and its list of replies."""
    (helper,) = helpers(server)
    os.kill(helper, signal.SIGSTOP)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(server.post(PICTURE)))
    thread.start()
    time.sleep(0.3)
    assert replies == []
    return helper, thread, replies


def refused(server, replies, reason):
    """The one picture is answered 422, and the next one is decoded by another helper."""
    assert (replies[0].status, replies[0].code) == (422, "invalid_image")
    assert server.post(PICTURE).status == 200
    assert reason in server.lines("decoder_lost")[-1]


def test_a_helper_that_dies_costs_its_picture_only(sandboxed):
    for _ in range(3):
        helper, thread, replies = stopped_in_a_picture(sandboxed)
        os.kill(helper, signal.SIGKILL)
        thread.join()
        refused(sandboxed, replies, "died")
        assert helpers(sandboxed) != [helper]


def test_a_helper_that_is_stuck_is_replaced(sandboxed):
    begin = time.monotonic()
    helper, thread, replies = stopped_in_a_picture(sandboxed)
    thread.join()
    assert 2.4 < time.monotonic() - begin < 20
    refused(sandboxed, replies, "slow")
    assert helper not in helpers(sandboxed)


def test_a_helper_that_died_while_idle_costs_nothing(sandboxed):
    for _ in range(3):
        (helper,) = helpers(sandboxed)
        os.kill(helper, signal.SIGKILL)
        until(lambda: pathlib.Path(f"/proc/{helper}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z")
        assert sandboxed.post(PICTURE).status == 200
        assert helpers(sandboxed) != [helper]


def test_others_in_the_request_are_answered(serve):
    import base64

    server = serve("--decode-sandbox", "--decode-workers", 2, "--limits-decode-ms", 700)
    for helper in helpers(server):
        os.kill(helper, signal.SIGSTOP)
    body = json.dumps({"images": [base64.b64encode(PICTURE).decode()] * 6})
    results = server.post(body, Content_Type="application/json").json["results"]
    assert len(results) == 6
    failed = sum("error" in result for result in results)
    assert 1 <= failed <= 2  # what the two had
    assert sum("count" in result for result in results) == 6 - failed


def test_helpers_have_nothing_open_and_end_with_the_server(serve):
    server = serve("--decode-sandbox", "--decode-workers", 2)
    found = helpers(server)
    assert len(found) == 2
    server.signal(signal.SIGKILL)
    server.process.wait()
    until(lambda: not any(pathlib.Path(f"/proc/{helper}").exists() for helper in found))


def test_signals_to_the_group_do_not_take_the_decoders_away(sandboxed):
    """As systemd and a terminal send them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helpers(sandboxed)[0], number)
    assert sandboxed.post(PICTURE).status == 200
    assert not sandboxed.lines("decoder_lost")
