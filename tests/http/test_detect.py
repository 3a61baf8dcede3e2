"""What POST /detect takes and gives."""

import base64
import json
import re
import struct

import pytest
from conftest import SAMPLE, png, until


def form(*parts, boundary="--b0undary"):
    """A multipart body of (name, bytes[, filename]) and its Content-Type."""
    body = b""
    for name, data, *filename in parts:
        file = f'; filename="{filename[0]}"' if filename else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def post_form(server, *parts, path="/detect"):
    body, content_type = form(*parts)
    return server.post(body, path, Content_Type=content_type)


def post_json(server, value, path="/detect"):
    return server.post(json.dumps(value), path, Content_Type="application/json")


def b64(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "content_type", [None, "image/jpeg", "image/png", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_the_bytes_of_a_picture_are_enough_whatever_they_are_called(server, sample, content_type):
    headers = {"Content_Type": content_type} if content_type else {}
    reply = server.post(sample, **headers)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json["image"] == {"width": 960, "height": 720, "format": "jpeg"}


def test_a_reply_has_the_members_of_the_contract(server, sample):
    answer = server.post(sample).json
    assert list(answer) == ["id", "model", "backend", "image", "detections", "count", "timing_ms", "batch"]
    assert answer["model"]["name"] == "codes"
    assert answer["model"]["detector"] == "nanodet-m-320"
    assert re.fullmatch("sha256:[0-9a-f]{64}", answer["model"]["digest"])
    assert answer["backend"] == "null"
    assert answer["detections"] == [] and answer["count"] == 0
    assert list(answer["timing_ms"]) == ["receive", "decode", "queue", "infer", "postprocess", "total"]
    assert all(value >= 0 for value in answer["timing_ms"].values())
    assert answer["batch"] == {"size": 1}


def test_timings_add_up_to_the_total(server, sample):
    timing = server.post(sample).json["timing_ms"]
    total = timing.pop("total")
    assert sum(timing.values()) == pytest.approx(total, abs=0.05)


def test_the_model_can_be_named(server):
    assert server.post(png(8, 8), "/detect/codes").json["model"]["name"] == "codes"


def test_one_picture_in_a_form_gives_one_answer(server):
    reply = post_form(server, ("image", png(8, 6), "x.png"), ("id", b"mine"))
    assert reply.status == 200
    assert reply.json["id"] == "mine"
    assert reply.json["image"] == {"width": 8, "height": 6, "format": "png"}


def test_several_pictures_in_a_form_are_answered_in_order(server, sample):
    parts = [("image", png(8, 6)), ("confidence", b"0.5"), ("image", sample), ("image", b"no picture"), ("image", png(9, 9))]
    reply = post_form(server, *parts)
    assert reply.status == 200
    results = reply.json["results"]
    assert [result.get("image", {}).get("width") for result in results] == [8, 960, None, 9]
    assert results[2]["error"]["code"] == "unsupported_image_type"
    assert "id" in reply.json


def test_json_with_one_picture(server):
    reply = post_json(server, {"image": b64(png(8, 6)), "confidence": 0.5, "id": "j"})
    assert reply.status == 200
    assert reply.json["id"] == "j"
    assert reply.json["image"]["width"] == 8


def test_json_with_a_list_gives_a_list(server):
    reply = post_json(server, {"images": [b64(png(8, 6))]})
    assert reply.status == 200
    assert [result["image"]["width"] for result in reply.json["results"]] == [8]


def test_a_list_of_which_nothing_is_a_picture_is_still_a_list(server):
    reply = post_json(server, {"images": [b64(b"x"), b64(png(8, 8)[:40])]})
    assert reply.status == 200
    codes = [result["error"]["code"] for result in reply.json["results"]]
    assert codes == ["unsupported_image_type", "invalid_image"]


def test_chunked_bodies_are_taken(server, sample):
    def pieces():
        for start in range(0, len(sample), 10000):
            yield sample[start : start + 10000]

    reply = server.request("POST", "/detect", pieces())
    assert reply.status == 200
    assert reply.json["image"]["width"] == 960


def test_expect_100_continue_is_honoured(server):
    picture = png(8, 8)
    with server.connect() as s:
        s.sendall(b"POST /detect HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(picture))
        assert s.recv(1000).startswith(b"HTTP/1.1 100 ")
        s.sendall(picture)
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("accept, start, media", [
    (None, b"\x89PNG", "image/png"),
    ("*/*", b"\x89PNG", "image/png"),
    ("image/png", b"\x89PNG", "image/png"),
    ("image/jpeg", b"\xff\xd8\xff", "image/jpeg"),
])  # fmt: skip
def test_an_annotated_answer_is_a_picture(server, sample, accept, start, media):
    reply = server.post(sample, "/detect?format=annotated", **({"Accept": accept} if accept else {}))
    assert reply.status == 200
    assert reply.headers["Content-Type"] == media
    assert reply.body.startswith(start)
    assert server.post(reply.body).json["image"]["width"] == 960


def test_annotated_is_for_one_picture(server):
    reply = post_form(server, ("image", png(8, 8)), ("image", png(8, 8)), ("format", b"annotated"))
    assert (reply.status, reply.code) == (400, "invalid_parameter")


def test_the_request_id_goes_in_and_out(server):
    reply = server.post(png(8, 8), X_Request_Id="abc-123")
    assert reply.headers["X-Request-Id"] == "abc-123"
    assert reply.json["id"] == "abc-123"
    until(lambda: "id=abc-123 " in server.log())


def test_a_request_without_an_id_gets_one_of_its_own(server):
    ids = {server.post(png(8, 8)).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5 and all(ids)


def test_an_id_that_is_no_word_is_replaced(server):
    reply = server.post(png(8, 8), X_Request_Id="a b\tc")
    assert re.fullmatch("[0-9a-f-]+", reply.headers["X-Request-Id"])


def test_the_parameter_id_is_echoed_in_answers_and_errors(server):
    assert server.post(png(8, 8), "/detect?id=%C3%BC").json["id"] == "ü"
    assert server.post(b"x", "/detect?id=mine").json["id"] == "mine"


def test_traceparent_reaches_the_log(server):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    server.post(png(8, 8), traceparent=trace)
    until(lambda: f"traceparent={trace}" in server.log())  # written after the reply


@pytest.mark.parametrize("body", [png(8, 8), b"no picture", b""])
def test_every_detection_reply_says_what_took_how_long(server, body):
    timing = server.post(body).headers["Server-Timing"]
    assert re.search(r"\btotal;dur=\d+\.\d", timing)
    if body == png(8, 8):
        assert [part.split(";")[0] for part in timing.split(", ")] == [
            *("receive", "decode", "queue", "infer", "postprocess", "total")
        ]


def test_a_connection_serves_many_requests(server):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    sock = None
    for width in range(1, 30):
        connection.request("POST", "/detect", png(width, 4))
        reply = connection.getresponse()
        assert json.loads(reply.read())["image"]["width"] == width
        sock = sock or connection.sock
        assert connection.sock is sock
    connection.close()


def test_pipelined_requests_are_answered_in_order(server):
    requests = b""
    for width in (5, 6, 7):
        picture = png(width, 4)
        requests += b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture
    requests += b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    raw = server.raw(requests)
    assert [int(w) for w in re.findall(rb'"image":\{"width":(\d+)', raw)] == [5, 6, 7]
    assert raw.count(b"HTTP/1.1 200 ") == 4


def test_curl_with_data_binary_works_as_it_stands(server):
    import shutil
    import subprocess

    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    words = ["curl", "-sS", "--data-binary", f"@{SAMPLE}", f"http://127.0.0.1:{server.port}/detect"]
    assert json.loads(subprocess.check_output(words))["image"]["width"] == 960


def test_reduced_decoding_keeps_sizes_and_boxes_in_full_pixels(serve, sample):
    full = serve(backend="cpu").post(sample).json
    server = serve("--reduced-decoding", backend="cpu")
    reduced = server.post(sample).json
    assert reduced["image"] == full["image"]
    assert reduced["detections"] != full["detections"], "the picture was decoded in full"
    best, twin = full["detections"][0], reduced["detections"][0]
    assert twin["label"] == best["label"]
    assert all(abs(twin["box"][side] - best["box"][side]) < 10 for side in best["box"])
    drawn = server.post(sample, "/detect?format=annotated", Accept="image/png").body
    assert struct.unpack(">II", drawn[16:24]) == (full["image"]["width"], full["image"]["height"])
