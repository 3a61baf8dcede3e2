"""Every row of the contract's table of errors."""

import base64
import gzip
import json

import pytest
from conftest import png, status_of


def check(reply, status, code):
    """An error has the right status and code, a sentence, and shows nothing internal."""
    assert (reply.status, reply.code) == (status, code), reply.body
    error = reply.json["error"]
    assert list(error) == ["code", "message", "detail"]
    assert len(error["message"]) > 10
    assert "/" not in error["message"].replace("multipart/form-data", "")
    assert isinstance(error["detail"], dict)
    assert reply.json["id"]
    return error


@pytest.mark.parametrize("query", [
    "confidence=2", "confidence=x", "iou=-1", "max_detections=0", "max_detections=1001", "classes=unicorn", "classes=",
    "timeout_ms=0", "format=xml", "id=", "confidence=0.5&confidence=0.5", "Confidence=0.5", "unknown=1", "confidence",
    "confidence=0.5%00",
])  # fmt: skip
def test_400_a_bad_parameter_is_named(server, query):
    error = check(server.post(png(8, 8), "/detect?" + query), 400, "invalid_parameter")
    assert query.split("=")[0].lower() in error["message"].lower()


def test_400_a_parameter_in_the_query_and_the_body(server):
    reply = server.post(
        json.dumps({"image": base64.b64encode(png(8, 8)).decode(), "iou": 0.5}),
        "/detect?iou=0.5",
        Content_Type="application/json",
    )
    assert "more than once" in check(reply, 400, "invalid_parameter")["message"]


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"image": 1}', '{"image": "!"}', "[" * 100000])
def test_400_bad_json(server, body):
    assert "JSON" in check(server.post(body, Content_Type="application/json"), 400, "invalid_body")["message"]


@pytest.mark.parametrize("body", [b"x", b"--b\r\n\r\nx\r\n--b--", b"--b\r\nContent-Disposition: form-data; name=image\r\n\r\nx"])
def test_400_bad_multipart(server, body):
    reply = server.post(body, Content_Type="multipart/form-data; boundary=b")
    assert "multipart" in check(reply, 400, "invalid_body")["message"]


def test_400_an_empty_body(server):
    check(server.post(b""), 400, "empty_body")


@pytest.mark.parametrize("path", ["/detec", "/detect/", "/detect/codes/x", "/Detect", "/models/codes/x", "//detect", "/.."])
def test_404_a_path(server, path):
    check(server.post(png(8, 8), path), 404, "not_found")


def test_404_a_model(server):
    error = check(server.post(png(8, 8), "/detect/unicorn"), 404, "model_not_found")
    assert "unicorn" in error["message"] and error["detail"] == {"models": ["codes"]}
    error = check(server.get("/models/unicorn"), 404, "model_not_found")
    assert error["detail"] == {"models": ["codes"]}


@pytest.mark.parametrize("method, path, allow", [
    ("GET", "/detect", "POST"), ("PUT", "/detect", "POST"), ("DELETE", "/detect/codes", "POST"),
    ("POST", "/models", "GET, HEAD"), ("POST", "/healthz", "GET, HEAD"), ("OPTIONS", "/metrics", "GET, HEAD"),
    ("BREW", "/detect", "POST"),
])  # fmt: skip
def test_405_a_method_with_what_is_allowed(server, method, path, allow):
    reply = server.request(method, path, b"")
    check(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == allow


def test_411_no_length_at_all(server):
    raw = server.raw(b"POST /detect HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status_of(raw) == 411 and b'"length_required"' in raw


def test_413_a_body_by_its_length_before_it_is_sent(server):
    raw = server.raw(b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
    assert status_of(raw) == 413 and b'"body_too_large"' in raw and b"1048576" in raw


def test_413_a_body_that_is_sent_nonetheless(server):
    check(server.post(b"x" * 3000000), 413, "body_too_large")


def test_413_a_chunked_body_while_it_is_read(server):
    head = b"POST /detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % 200000 + b"x" * 200000 + b"\r\n"
    raw = server.raw(head, *[chunk] * 6)  # and no end
    assert status_of(raw) == 413 and b'"body_too_large"' in raw and b"1048576 bytes are allowed" in raw


def test_413_a_body_of_the_limit_is_read(server):
    check(server.post(b"x" * 1048576), 415, "unsupported_image_type")


def test_413_a_picture_with_too_many_pixels_or_too_long_a_side(server):
    check(server.post(png(1001, 1000)), 413, "image_too_large")
    check(server.post(png(2001, 1)), 413, "image_too_large")
    assert server.post(png(2000, 500)).status == 200


def test_413_too_many_pictures(server):
    picture = base64.b64encode(png(8, 8)).decode()
    body = json.dumps({"images": [picture] * 5})
    error = check(server.post(body, Content_Type="application/json"), 413, "too_many_images")
    assert error["detail"] == {"allowed": 4}


@pytest.mark.parametrize("body", [b"GIF89a" + b"\0" * 100, b"%PDF-1.4", b"\0", b"<html>", b"\xff" * 5000])
def test_415_no_type_of_picture_that_is_known(server, body):
    check(server.post(body), 415, "unsupported_image_type")


def test_415_a_compressed_body_is_refused_as_one(server, sample):
    reply = server.post(gzip.compress(sample), Content_Encoding="gzip")
    assert "'gzip'" in check(reply, 415, "unsupported_encoding")["message"]
    assert server.post(sample, Content_Encoding="identity").status == 200


def test_422_a_picture_that_cannot_be_decoded(server, sample):
    picture = png(64, 64)
    check(server.post(picture[:-20]), 422, "invalid_image")
    check(server.post(picture[:20]), 422, "invalid_image")
    check(server.post(sample[:20000]), 422, "invalid_image")
    check(server.post(picture.replace(b"IDAT", b"IDAX")), 422, "invalid_image")


def test_431_headers_that_are_too_large(server):
    reply = server.request("GET", "/healthz", headers={"X-Large": "x" * 9000})
    check(reply, 431, "headers_too_large")
    assert server.request("GET", "/healthz", headers={"X-Large": "x" * 7000}).status == 200


def test_431_headers_beyond_all_bounds(server):
    raw = server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 1000000 + b"\r\n\r\n")
    assert status_of(raw) == 431


def test_head_is_get_without_the_body(server):
    reply = server.request("HEAD", "/models")
    assert reply.status == 200 and reply.body == b""
    assert int(reply.headers["Content-Length"]) == len(server.get("/models").body)


def test_the_connection_stays_after_an_error_whose_body_was_read(server):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for path, status in [("/nowhere", 404), ("/detect?x=1", 400), ("/detect", 415), ("/detect/none", 404)]:
        connection.request("POST", path, b"x" * 500000)
        reply = connection.getresponse()
        assert reply.status == status
        reply.read()
        assert connection.sock is not None
    connection.close()


def test_a_refused_request_that_waits_for_100_is_not_asked_to_send(server):
    with server.connect() as s:
        s.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 404 ")
