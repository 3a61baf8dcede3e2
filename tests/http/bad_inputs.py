"""
Requests that are wrong, each with the status and the code of its answer. Where the HTTP library
itself answers, there is no code (None); where the connection may be closed without an answer, the
status may be None.

A case is (name, request, status, code). A request is either bytes, sent as they are, or a dict:
body, and optionally path and type (Content-Type).
"""

import base64
import json
import pathlib
import struct
import zlib

from conftest import SAMPLE, png

CORPUS = pathlib.Path(__file__).parents[1] / "fuzz" / "corpus" / "image"
PICTURE = png(8, 8)
B64 = base64.b64encode(PICTURE).decode()
HEAD = b"POST /detect HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


# Heads and framing --------------------------------------------------------------------------------


def head(headers, body=b""):
    return HEAD + headers + b"\r\n\r\n" + body


def line(text):
    return text + b"\r\nHost: x\r\nConnection: close\r\n\r\n"


FRAMING = [
    ("two-lengths-alike", head(b"Content-Length: 0\r\nContent-Length: 0"), 400, "bad_request"),
    ("two-lengths", head(b"Content-Length: 0\r\nContent-Length: 9"), 400, "bad_request"),
    ("length-and-chunks", head(b"Content-Length: 0\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"), 400, "bad_request"),
    ("chunks-twice", head(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"), 400, "bad_request"),
    ("chunks-of-gzip", head(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), 400, "bad_request"),
    ("encoding-unknown", head(b"Transfer-Encoding: cow"), 400, "bad_request"),
    ("encoding-empty", head(b"Transfer-Encoding: "), 400, "bad_request"),
    ("encoding-in-two-lines", head(b"Transfer-Encoding:\r\n chunked", b"0\r\n\r\n"), 400, "bad_request"),
    ("folded-header", head(b"X-A: 1\r\n 2\r\nContent-Length: 0"), 400, "bad_request"),
    ("folded-length", head(b"Content-Length: 1\r\n 0"), 400, None),
    ("folded-by-tab", head(b"X-A: 1\r\n\t2\r\nContent-Length: 0"), 400, "bad_request"),
    ("blank-before-colon", head(b"Content-Length : 0"), 400, "bad_request"),
    ("blank-in-name", head(b"Content Length: 0"), 400, "bad_request"),
    ("name-starts-with-blank", head(b" X-A: 1\r\nContent-Length: 0"), 400, "bad_request"),
    ("name-empty", head(b": 1\r\nContent-Length: 0"), 400, "bad_request"),
    ("name-with-parentheses", head(b"X(A): 1\r\nContent-Length: 0"), 400, "bad_request"),
    ("name-not-ascii", head(b"X-\xc3\xa9: 1\r\nContent-Length: 0"), 400, "bad_request"),
    ("zero-in-name", head(b"X\0A: 1\r\nContent-Length: 0"), 400, None),
    ("zero-in-value", head(b"X-A: 1\x002\r\nContent-Length: 0"), 400, None),
    ("no-colon", head(b"X-A\r\nContent-Length: 0"), 400, None),
    ("two-hosts", head(b"Host: y\r\nContent-Length: 0"), 400, "bad_request"),
    ("no-host", b"POST /detect HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400, None),
    ("length-negative", head(b"Content-Length: -1"), 400, None),
    ("length-with-sign", head(b"Content-Length: +1", b"x"), 400, None),
    ("length-in-hex", head(b"Content-Length: 0x1", b"x"), 400, None),
    ("length-a-word", head(b"Content-Length: ten"), 400, None),
    ("length-a-list", head(b"Content-Length: 1,1", b"x"), 400, None),
    ("length-with-fraction", head(b"Content-Length: 1.0", b"x"), 400, None),
    ("length-empty", head(b"Content-Length: "), 400, None),
    ("length-too-large", head(b"Content-Length: 1048577"), 413, "body_too_large"),
    ("length-2-to-the-63", head(b"Content-Length: 9223372036854775808"), 413, None),
    ("length-2-to-the-64", head(b"Content-Length: 18446744073709551616"), 413, None),
    ("length-of-30-digits", head(b"Content-Length: " + b"9" * 30), 413, None),
    ("no-length", HEAD + b"\r\n", 411, "length_required"),
    ("header-too-long", head(b"X-A: " + b"a" * 9000 + b"\r\nContent-Length: 0"), 431, "headers_too_large"),
    ("headers-too-many", head(b"\r\n".join(b"X-%d: 1" % i for i in range(150)) + b"\r\nContent-Length: 0"), 400, "bad_request"),
    ("headers-without-end", HEAD + b"X-A: " + b"a" * 300000, 431, None),
    ("path-too-long", line(b"GET /" + b"a" * 300000 + b" HTTP/1.1"), (414, 431), None),
    ("chunk-size-a-word", CHUNKED + b"x\r\n", 400, None),
    ("chunk-size-negative", CHUNKED + b"-1\r\nx\r\n", 400, None),
    ("chunk-size-with-sign", CHUNKED + b"+1\r\nx\r\n0\r\n\r\n", 400, None),
    ("chunk-size-with-prefix", CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n", 400, None),
    ("chunk-size-empty", CHUNKED + b"\r\nx\r\n0\r\n\r\n", 400, None),
    ("chunk-size-huge", CHUNKED + b"fffffffffffffffff\r\nx", (400, 413), None),
    ("chunk-longer-than-its-size", CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n", 400, None),
    ("chunk-without-end-of-line", CHUNKED + b"1\r\nx0\r\n\r\n", 400, None),
    ("chunks-beyond-the-limit", CHUNKED + (b"40000\r\n" + b"x" * 0x40000 + b"\r\n") * 5, 413, "body_too_large"),
    ("chunks-of-nothing", CHUNKED + b"0\r\n\r\n", 400, "empty_body"),
    ("version-2", line(b"GET /healthz HTTP/2.0"), (None, 400, 505), None),
    ("version-unknown", line(b"GET /healthz HTTP/1.2x"), (None, 400, 505), None),
    ("protocol-unknown", line(b"GET /healthz FTP/1.1"), (None, 400, 505), None),
    ("one-word", b"GET\r\n\r\n", (None, 400), None),
    ("tls-on-a-plain-port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (None, 400), None),
    ("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (None, 400, 505), None),
    ("only-zeros", b"\0" * 400 + b"\r\n\r\n", (None, 400), None),
    ("old-version-with-chunks", b"POST /detect HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    ("path-unknown", line(b"GET /nothing HTTP/1.1"), 404, "not_found"),
    ("path-climbs", line(b"GET /../../etc/passwd HTTP/1.1"), 404, "not_found"),
    ("path-climbs-in-code", line(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), 404, "not_found"),
    ("path-with-zero", line(b"GET /models/a%00b HTTP/1.1"), 404, None),
    ("path-with-two-slashes", line(b"GET //healthz HTTP/1.1"), 404, "not_found"),
    ("path-not-utf-8", line(b"GET /models/%ff%fe HTTP/1.1"), 404, "model_not_found"),
    ("path-with-percent-alone", line(b"GET /models/%zz HTTP/1.1"), 404, "model_not_found"),
    ("path-of-a-proxy", line(b"GET http://example.org/ HTTP/1.1"), (400, 404), None),
    ("method-unknown", line(b"BREW /detect HTTP/1.1"), 405, "method_not_allowed"),
    ("method-wrong", line(b"GET /detect HTTP/1.1"), 405, "method_not_allowed"),
    ("method-in-small-letters", line(b"get /healthz HTTP/1.1"), 405, "method_not_allowed"),
    ("method-connect", line(b"CONNECT example.org:443 HTTP/1.1"), (400, 404, 405), None),
    ("method-trace", line(b"TRACE /healthz HTTP/1.1"), 405, "method_not_allowed"),
]


# Forms --------------------------------------------------------------------------------------------


def part(disposition, data=b"x", more=b""):
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + data + b"\r\n"


IMAGE = part(b'form-data; name="image"; filename="a.png"', PICTURE)
END = b"--b--\r\n"


def form(body, type="multipart/form-data; boundary=b"):
    return {"body": body, "type": type}


def field(name, value):
    return form(part(b'form-data; name="%s"' % name, value) + IMAGE + END)


FORMS = [
    ("no-boundary", form(IMAGE + END, "multipart/form-data"), 400, "invalid_body"),
    ("boundary-empty", form(IMAGE + END, "multipart/form-data; boundary="), 400, "invalid_body"),
    ("boundary-empty-in-quotes", form(IMAGE + END, 'multipart/form-data; boundary=""'), 400, "invalid_body"),
    ("boundary-too-long", form(IMAGE + END, "multipart/form-data; boundary=" + "b" * 71), 400, "invalid_body"),
    ("boundary-quote-open", form(IMAGE + END, 'multipart/form-data; boundary="b'), 400, "invalid_body"),
    ("boundary-of-another", form(IMAGE + END, "multipart/form-data; boundary=c"), 400, "invalid_body"),
    ("no-body-but-text", form(b"hello"), 400, "invalid_body"),
    ("only-the-end", form(END), 400, "invalid_body"),
    ("no-parts-named-image", form(part(b'form-data; name="iou"', b"0.5") + END), 400, "invalid_body"),
    ("no-end", form(IMAGE), 400, "invalid_body"),
    ("cut-in-the-data", form(IMAGE[:-20]), 400, "invalid_body"),
    ("cut-in-the-headers", form(IMAGE[:30]), 400, "invalid_body"),
    ("cut-in-the-boundary", form(IMAGE + b"--"), 400, "invalid_body"),
    ("line-ends-of-unix", form(IMAGE.replace(b"\r\n", b"\n") + b"--b--\n"), 400, "invalid_body"),
    ("boundary-with-text-behind", form(IMAGE.replace(b"--b\r\n", b"--bc\r\n") + END), 400, "invalid_body"),
    ("no-disposition", form(b"--b\r\nContent-Type: image/png\r\n\r\n" + PICTURE + b"\r\n" + END), 400, "invalid_body"),
    ("no-headers", form(b"--b\r\n\r\n" + PICTURE + b"\r\n" + END), 400, "invalid_body"),
    ("no-name", form(part(b"form-data") + END), 400, "invalid_body"),
    ("name-too-long", form(part(b'form-data; name="' + b"n" * 64 + b'"') + END), 400, "invalid_body"),
    ("name-quote-open", form(part(b'form-data; name="image') + END), 400, "invalid_body"),
    ("two-dispositions", form(part(b'form-data; name="image"', more=b'Content-Disposition: form-data; name="iou"\r\n') + END), 400, "invalid_body"),
    ("many-part-headers", form(part(b'form-data; name="image"', more=b"X: 1\r\n" * 30) + END), 400, "invalid_body"),
    ("zero-in-part-header", form(part(b'form-data; name="im\0age"') + END), 400, "invalid_body"),
    ("file-under-another-name", form(part(b'form-data; name="file"; filename="a.png"', PICTURE) + END), 400, "invalid_body"),
    ("too-many-pictures", form(IMAGE * 5 + END), 413, "too_many_images"),
    ("picture-empty", form(part(b'form-data; name="image"', b"") + END), 422, "invalid_image"),
    ("picture-a-text", form(part(b'form-data; name="image"', b"hello") + END), 415, "unsupported_image_type"),
    ("field-unknown", field(b"colour", b"red"), 400, "invalid_parameter"),
    ("field-twice", form(part(b'form-data; name="iou"', b"1") * 2 + IMAGE + END), 400, "invalid_parameter"),
    ("field-bad", field(b"confidence", b"much"), 400, "invalid_parameter"),
    ("field-with-zero", field(b"id", b"a\0b"), 400, "invalid_parameter"),
    ("field-huge", field(b"confidence", b"0" * 100000), 400, "invalid_parameter"),
    ("annotated-of-two", form(part(b'form-data; name="format"', b"annotated") + IMAGE * 2 + END), 400, "invalid_parameter"),
]  # fmt: skip


# JSON ---------------------------------------------------------------------------------------------


def text(body, type="application/json"):
    return {"body": body if isinstance(body, bytes) else body.encode(), "type": type}


def with_image(**members):
    return text(json.dumps({"image": B64, **members}))


JSON = [
    ("nothing-but-blanks", text("  \n "), 400, "invalid_body"),
    ("open-brace", text("{"), 400, "invalid_body"),
    ("cut-short", text('{"image": "' + B64[:20]), 400, "invalid_body"),
    ("behind-the-end", text(json.dumps({"image": B64}) + "x"), 400, "invalid_body"),
    ("comma-at-the-end", text('{"image": "QQ==",}'), 400, "invalid_body"),
    ("single-quotes", text("{'image': 'QQ=='}"), 400, "invalid_body"),
    ("comment", text('{"image": "QQ==" /* x */}'), 400, "invalid_body"),
    ("nan", text('{"image": "QQ==", "iou": NaN}'), 400, "invalid_body"),
    ("number-too-large", text('{"image": "QQ==", "iou": 1e999}'), 400, "invalid_body"),
    ("integer-too-large", text('{"image": "QQ==", "iou": 99999999999999999999}'), 400, "invalid_body"),
    ("leading-zero", text('{"image": "QQ==", "iou": 01}'), 400, "invalid_body"),
    ("list", text("[]"), 400, "invalid_body"),
    ("text", text('"QQ=="'), 400, "invalid_body"),
    ("null", text("null"), 400, "invalid_body"),
    ("no-image", text("{}"), 400, "invalid_body"),
    ("image-a-number", text('{"image": 1}'), 400, "invalid_body"),
    ("image-null", text('{"image": null}'), 400, "invalid_body"),
    ("image-a-list", text('{"image": ["QQ=="]}'), 400, "invalid_body"),
    ("images-a-text", text('{"images": "QQ=="}'), 400, "invalid_body"),
    ("images-empty", text('{"images": []}'), 400, "invalid_body"),
    ("images-of-numbers", text('{"images": [1]}'), 400, "invalid_body"),
    ("image-and-images", text(json.dumps({"image": B64, "images": [B64]})), 400, "invalid_body"),
    ("images-too-many", text(json.dumps({"images": [B64] * 5})), 413, "too_many_images"),
    ("member-twice", text('{"image": "QQ==", "image": "QQ=="}'), 400, "invalid_body"),
    ("base64-characters", text('{"image": "????"}'), 400, "invalid_body"),
    ("base64-padding", text('{"image": "QUJ"}'), 400, "invalid_body"),
    ("base64-padding-inside", text('{"image": "QQ==QQ=="}'), 400, "invalid_body"),
    ("base64-of-a-url", text(json.dumps({"image": "data:image/png;base64," + B64})), 400, "invalid_body"),
    ("base64-of-nothing", text('{"image": ""}'), 422, "invalid_image"),
    ("base64-of-a-text", text('{"image": "aGVsbG8="}'), 415, "unsupported_image_type"),
    ("deep", text("[" * 100000), 400, "invalid_body"),
    ("deep-objects", text('{"a":' * 20 + "1" + "}" * 20), 400, "invalid_body"),
    ("zero-byte", text('{"image": "Q\0Q="}'), 400, "invalid_body"),
    ("zero-escaped-in-key", text('{"ima\\u0000ge": "QQ=="}'), 400, "invalid_body"),
    ("zero-escaped-in-id", with_image(id="a\0b"), 400, "invalid_body"),
    ("surrogate-alone", text('{"image": "QQ==", "id": "\\ud800"}'), 400, "invalid_body"),
    ("not-utf-8", text(b'{"image": "QQ==", "id": "\xff"}'), 400, "invalid_body"),
    ("utf-16", text(json.dumps({"image": B64}).encode("utf-16")), 400, "invalid_body"),
    ("byte-order-mark", text(b"\xef\xbb\xbf" + json.dumps({"image": B64}).encode()), 400, "invalid_body"),
    ("parameter-unknown", with_image(colour="red"), 400, "invalid_parameter"),
    ("parameter-a-bool", with_image(iou=True), 400, "invalid_body"),
    ("parameter-an-object", with_image(iou={}), 400, "invalid_body"),
    ("parameter-null", with_image(iou=None), 400, "invalid_body"),
    ("parameter-out-of-range", with_image(confidence=1.5), 400, "invalid_parameter"),
    ("parameter-a-fraction", with_image(max_detections=1.5), 400, "invalid_parameter"),
    ("parameter-a-list", with_image(iou=[0.5]), 400, "invalid_body"),
    ("classes-of-lists", with_image(classes=[["a"]]), 400, "invalid_body"),
    ("classes-empty", with_image(classes=[]), 400, "invalid_parameter"),
    ("classes-unknown", with_image(classes=["unicorn"]), 400, "invalid_parameter"),
    ("classes-very-many", with_image(classes=["qr"] * 40000), 400, "invalid_body"),
    ("annotated-of-a-list", text(json.dumps({"images": [B64, B64], "format": "annotated"})), 400, "invalid_parameter"),
]


# Parameters ---------------------------------------------------------------------------------------


def query(text):
    return {"body": PICTURE, "path": "/detect?" + text}


PARAMETERS = [
    (text if len(text) < 40 else text[:20] + "-and-so-on", query(text), 400, "invalid_parameter")
    for text in (
        "confidence=", "confidence=-0.1", "confidence=1.0001", "confidence=nan", "confidence=inf", "confidence=0x1",
        "confidence=1e", "confidence=0,5", "confidence=50%25", "confidence=+", "confidence=" + "0" * 41, "confidence",
        "Confidence=0.5", "conf=0.5", "iou=2", "iou=-1", "iou=x", "iou=0.5&iou=0.6", "iou=1e400",
        "max_detections=0", "max_detections=1001", "max_detections=-1", "max_detections=1.5", "max_detections=1e2",
        "max_detections=99999999999999999999", "max_detections=%201", "classes=", "classes=,", "classes=unicorn",
        "classes=qr,,aztec", "classes=-1", "classes=4096", "classes=1.0", "classes=" + "qr%2C" * 1000 + "x",
        "timeout_ms=0", "timeout_ms=-5", "timeout_ms=3600001", "timeout_ms=soon", "format=", "format=xml", "format=JSON",
        "id=", "id=" + "i" * 129, "id=a%00b", "id=a%0Ab", "id=%7f", "=1", "a%00b=1", "unknown=1", "image=x",
    )
] + [
    ("model-unknown", {"body": PICTURE, "path": "/detect/unicorn"}, 404, "model_not_found"),
    ("model-with-blanks", {"body": PICTURE, "path": "/detect/%20"}, 404, "model_not_found"),
    ("model-very-long", {"body": PICTURE, "path": "/detect/" + "m" * 5000}, 404, "model_not_found"),
]  # fmt: skip


# Pictures -----------------------------------------------------------------------------------------


def chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def png_of(width=8, height=8, depth=8, colour=2, method=0, filters=0, interlace=0, data=None, before=b"", after=b"", end=True):
    """A PNG that may break any rule."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, method, filters, interlace))
    rows = zlib.compress((b"\0" + b"\1\2\3" * 8) * 8) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", rows) + after + (chunk(b"IEND", b"") if end else b"")


def jpeg():
    return (CORPUS / "baseline.jpg").read_bytes()


def segment(data, marker):
    """Where a marker's segment begins."""
    return data.index(bytes([0xFF, marker]))


def jpeg_with(marker, offset, value):
    """The JPEG with other bytes at an offset in a segment."""
    data = bytearray(jpeg())
    at = segment(data, marker) + offset
    data[at : at + len(value)] = value
    return bytes(data)


def jpeg_without(marker):
    data = jpeg()
    at = segment(data, marker)
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def webp_with(offset, value):
    data = bytearray((CORPUS / "lossy.webp").read_bytes())
    data[offset : offset + len(value)] = value
    return bytes(data)


def picture(data):
    return {"body": data}


UNDECODABLE = {
    "png-signature-alone": b"\x89PNG\r\n\x1a\n",
    "png-cut-in-the-header": PICTURE[:20],
    "png-cut-in-the-data": PICTURE[:-24],
    "png-width-0": png_of(width=0),
    "png-height-0": png_of(height=0),
    "png-depth-3": png_of(depth=3),
    "png-depth-16-of-palette": png_of(depth=16, colour=3),
    "png-colour-5": png_of(colour=5),
    "png-method-1": png_of(method=1),
    "png-filters-1": png_of(filters=1),
    "png-interlace-2": png_of(interlace=2),
    "png-no-palette": png_of(colour=3),
    "png-row-filter-9": png_of(data=zlib.compress((b"\x09" + b"\1\2\3" * 8) * 8)),
    "png-too-little-data": png_of(data=zlib.compress(b"\0" * 10)),
    "png-no-zlib": png_of(data=b"hello hello hello"),
    "png-zlib-broken": png_of(data=zlib.compress(b"\0" * 200)[:6] + b"\xff" * 20),
    "png-zlib-empty": png_of(data=b""),
    "png-checksum-of-header": PICTURE[:29] + b"\0\0\0\0" + PICTURE[33:],
    "png-no-data": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    "png-two-headers": png_of(before=chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))),
    "png-header-late": b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + PICTURE[8:],
    "png-chunk-length-huge": png_of(before=struct.pack(">I", 0x7FFFFFFF) + b"PLTE"),
    "png-critical-chunk-unknown": png_of(before=chunk(b"ABCD", b"x")),
    "jpeg-signature-alone": b"\xff\xd8\xff",
    "jpeg-start-and-end": b"\xff\xd8\xff\xd9",
    "jpeg-cut-in-the-header": jpeg()[:40],
    "jpeg-cut-before-the-scan": jpeg()[: segment(jpeg(), 0xDA)],
    "jpeg-cut-in-a-large-one": SAMPLE.read_bytes()[:20000],
    "jpeg-no-frame": jpeg_without(0xC0),
    "jpeg-no-quantization": jpeg_without(0xDB),
    "jpeg-width-0": jpeg_with(0xC0, 7, b"\0\0"),
    "jpeg-height-0": jpeg_with(0xC0, 5, b"\0\0"),
    "jpeg-12-bit": jpeg_with(0xC0, 4, b"\x0c"),
    "jpeg-components-0": jpeg_with(0xC0, 9, b"\0"),
    "jpeg-components-9": jpeg_with(0xC0, 9, b"\x09"),
    "jpeg-sampling-0": jpeg_with(0xC0, 11, b"\0"),
    "jpeg-sampling-15": jpeg_with(0xC0, 11, b"\xff"),
    "jpeg-table-9": jpeg_with(0xC0, 12, b"\x09"),
    "jpeg-huffman-counts": jpeg_with(0xC4, 5, b"\xff" * 16),
    "jpeg-lossless": jpeg_with(0xC0, 1, b"\xc3"),
    "jpeg-hierarchical": jpeg_with(0xC0, 1, b"\xc5"),
    "jpeg-segment-length-0": jpeg_with(0xDB, 2, b"\0\0"),
    "webp-header-alone": webp_with(0, b"")[:12],
    "webp-cut": webp_with(0, b"")[:40],
    "webp-frame-start-code": webp_with(23, b"\0\0\0"),
    "webp-width-0": webp_with(26, b"\0\0"),
    "webp-lossless-signature": (CORPUS / "lossless-alpha.webp").read_bytes().replace(b"\x2f", b"\x2e", 1),
    "webp-chunk-unknown": webp_with(12, b"ABCD"),
}

STRANGERS = {
    "gif": b"GIF89a" + b"\0" * 50, "bmp": b"BM" + b"\0" * 50, "tiff": b"II*\0" + b"\0" * 50,
    "heic": b"\0\0\0\x18ftypheic" + b"\0" * 50, "avif": b"\0\0\0\x18ftypavif" + b"\0" * 50, "pdf": b"%PDF-1.7",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "html": b"<html></html>", "json": b'{"image": "QQ=="}',
    "one-byte": b"\xff", "zeros": b"\0" * 4096, "riff-of-sound": b"RIFF\x24\0\0\0WAVEfmt ", "ones": b"\xff" * 4096,
    "png-of-text-mode": PICTURE.replace(b"\r\n", b"\n", 1),
}  # fmt: skip

PICTURES = (
    [(name, picture(data), 422, "invalid_image") for name, data in UNDECODABLE.items()]
    + [(name, picture(data), 415, "unsupported_image_type") for name, data in STRANGERS.items()]
    + [
        ("nothing", picture(b""), 400, "empty_body"),
        ("png-too-many-pixels", picture(png_of(width=1001, height=1000)), 413, "image_too_large"),
        ("png-too-wide", picture(png_of(width=2001, height=1)), 413, "image_too_large"),
        ("png-a-bomb", picture(png_of(width=0x7FFFFFFF, height=0x7FFFFFFF)), 413, "image_too_large"),
        ("jpeg-too-many-pixels", picture(jpeg_with(0xC0, 5, b"\x07\xd0\x07\xd0")), 413, "image_too_large"),
        ("jpeg-of-65535", picture(jpeg_with(0xC0, 5, b"\xff\xff\xff\xff")), 413, "image_too_large"),
        ("webp-too-wide", picture(webp_with(26, b"\xff\x3f")), 413, "image_too_large"),
    ]
)

CASES = [
    (f"{group}-{name}", *rest)
    for group, cases in {
        "framing": FRAMING, "form": FORMS, "json": JSON, "parameter": PARAMETERS, "picture": PICTURES
    }.items()
    for name, *rest in cases
]  # fmt: skip
