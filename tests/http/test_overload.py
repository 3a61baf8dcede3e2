"""More than can be done: deadlines, full queues, memory."""

import threading
import time

from conftest import png, status_of, until

PICTURE = png(8, 8)
SLOW = ("--workers", 1, "--backend-settings", "delay_us=50000")


def post_many(server, count, path="/detect", body=PICTURE):
    """Posts at the same time; returns (reply, seconds) of each."""
    results = [None] * count

    def post(i):
        begin = time.monotonic()
        results[i] = (server.post(body, path), time.monotonic() - begin)

    threads = [threading.Thread(target=post, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_503_a_full_queue_with_a_time_to_come_back(serve):
    server = serve(*SLOW, "--limits-queue-ms", 500)
    results = post_many(server, 40)
    refused = [reply for reply, _ in results if reply.status == 503]
    answered = [(reply, seconds) for reply, seconds in results if reply.status == 200]
    assert len(refused) + len(answered) == 40
    assert 8 <= len(answered) <= 16, len(answered)  # 500 ms of work, 50 ms each, and what runs
    assert all(reply.code == "queue_full" and 1 <= int(reply.headers["Retry-After"]) <= 60 for reply in refused)
    assert max(seconds for _, seconds in answered) < 3
    assert server.metric("spotter_rejected_total", reason="queue_full") == len(refused)
    assert server.post(PICTURE).status == 200


def test_504_a_deadline_that_passes_while_it_waits(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=600000")
    first = threading.Thread(target=server.post, args=(PICTURE,))
    first.start()
    time.sleep(0.1)
    begin = time.monotonic()
    reply = server.post(PICTURE, "/detect?timeout_ms=150")
    seconds = time.monotonic() - begin
    first.join()
    assert (reply.status, reply.code) == (504, "deadline_exceeded")
    assert 0.14 < seconds < 0.5  # at its deadline, not when the lane is free
    assert server.metric("spotter_queue_depth", model="codes") == 0


def test_504_a_deadline_that_passes_while_it_runs(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=600000")
    begin = time.monotonic()
    reply = server.post(PICTURE, "/detect?timeout_ms=150")
    assert reply.status == 504 and time.monotonic() - begin < 0.5
    assert server.post(PICTURE).status == 200


def test_503_a_deadline_that_could_not_be_met_is_refused_at_once(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=100000")
    waiting = [threading.Thread(target=server.post, args=(PICTURE,)) for _ in range(4)]
    for thread in waiting:
        thread.start()
    until(lambda: server.metric("spotter_queue_depth", model="codes") >= 2)
    begin = time.monotonic()
    reply = server.post(PICTURE, "/detect?timeout_ms=120")
    assert reply.status == 503 and time.monotonic() - begin < 0.1
    for thread in waiting:
        thread.join()


def test_the_earliest_deadline_goes_first(serve):
    server = serve("--workers", 1, "--backend-settings", "delay_us=150000", "--limits-queue-ms", 10000)
    order = []

    def post(name, timeout_ms):
        assert server.post(PICTURE, f"/detect?timeout_ms={timeout_ms}").status == 200
        order.append(name)

    threads = []
    for name, timeout_ms in [("first", 9000), ("late", 8000), ("later", 9000), ("early", 5000)]:
        threads.append(threading.Thread(target=post, args=(name, timeout_ms)))
        threads[-1].start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert order == ["first", "early", "late", "later"]


def test_503_more_bytes_in_flight_than_allowed(serve):
    server = serve(*SLOW, "--limits-bytes-in-flight", "1M", "--limits-body-bytes", "64K", "--limits-queue-ms", 60000)
    results = post_many(server, 12, body=png(250, 250))  # 375 kB each while it is decoded
    statuses = [reply.status for reply, _ in results]
    assert set(statuses) == {200, 503}
    assert {reply.code for reply, _ in results if reply.status == 503} == {"out_of_memory"}
    assert server.post(png(250, 250)).status == 200  # all was given back


def test_413_pictures_for_which_there_is_never_room(serve):
    server = serve("--backend", "null", "--limits-bytes-in-flight", "1M", "--limits-body-bytes", "64K")
    reply = server.post(png(500, 500))  # 1.5 MB while it is decoded
    assert (reply.status, reply.code) == (413, "image_too_large")
    assert "1048576 are allowed" in reply.json["error"]["message"]
    assert "Retry-After" not in reply.headers  # it would be in vain
    assert server.post(png(250, 250)).status == 200


def test_requests_of_several_pictures_are_admitted_whole_or_not(serve):
    import base64
    import json

    server = serve(*SLOW, "--limits-queue-ms", 300)
    body = json.dumps({"images": [base64.b64encode(PICTURE).decode()] * 5})
    replies = []

    def post():
        replies.append(server.post(body, Content_Type="application/json"))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} == {200, 503}
    for reply in replies:
        if reply.status == 200:
            assert [list(result) for result in reply.json["results"]].count(["error"]) == 0


def test_two_models_share_the_workers(serve, tmp_path):
    import json

    from conftest import WEIGHTS

    config = tmp_path / "two.json"
    model = {"detector": "nanodet-m-320", "weights": str(WEIGHTS)}
    config.write_text(json.dumps({"models": [{"name": "a", **model}, {"name": "b", **model}]}))
    server = serve("--config", config, "--workers", 1, "--backend-settings", "delay_us=40000", "--limits-queue-ms", 5000)
    flood = [threading.Thread(target=server.post, args=(PICTURE, "/detect/a")) for _ in range(30)]
    for thread in flood:
        thread.start()
    until(lambda: server.metric("spotter_queue_depth", model="a") >= 15)
    begin = time.monotonic()
    assert server.post(PICTURE, "/detect/b").status == 200
    assert time.monotonic() - begin < 0.4  # not after the 15 of a, which take 0.6 s
    for thread in flood:
        thread.join()


def test_a_large_picture_does_not_hold_up_small_ones(serve):
    server = serve("--decode-workers", 2, "--limits-queue-ms", 60000)
    large = png(6000, 6000)
    thread = threading.Thread(target=server.post, args=(large,))
    thread.start()
    time.sleep(0.02)
    begin = time.monotonic()
    assert server.post(PICTURE).status == 200
    small = time.monotonic() - begin
    thread.join()
    assert small < 1
