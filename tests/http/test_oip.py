"""The Open Inference Protocol v2: NVIDIA's client, JSON by hand, and requests that are wrong."""

import base64
import json
import pathlib
import struct
import subprocess

import numpy as np
import pytest
from conftest import SAMPLE, Server, png
from pypi import python_with

HERE = pathlib.Path(__file__).parent
INFER = "/v2/models/codes/infer"
OUTPUTS = ["num_detections", "boxes", "scores", "class_ids", "labels"]
SMALL = png(8, 6)


def b64(data):
    return base64.b64encode(data).decode()


def image(*pictures, **more):
    return {"name": "image", "datatype": "BYTES", "shape": [len(pictures)], "data": [b64(p) for p in pictures], **more}


def binary(value, *tensors):
    """A body with binary tensors behind its JSON, and the header that says where they begin."""
    head = json.dumps(value).encode()
    return head + b"".join(tensors), {"Inference_Header_Content_Length": str(len(head))}


def string(data):
    return struct.pack("<I", len(data)) + data


def output(answer, name):
    return next(one for one in answer["outputs"] if one["name"] == name)


@pytest.fixture(scope="module")
def infer_server(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("oip"),
        *("--tensor-input", "--limits-pictures", "4", "--limits-pixels", "200000", "--limits-side", "1000"),
    )
    yield server
    server.stop()


@pytest.fixture
def server(infer_server):
    """Whatever a test did to the server, it must still answer."""
    yield infer_server
    assert infer_server.post(json.dumps({"inputs": [image(SMALL)]}), INFER).status == 200


def test_the_server_and_its_models_describe_themselves(server):
    assert server.get("/v2").json == {"name": "spotter", "version": "0.1.0", "extensions": ["binary_tensor_data"]}
    assert server.get("/v2/health/live").json == {"live": True}
    assert server.get("/v2/health/ready").json == {"ready": True}
    assert server.get("/v2/models/codes/ready").json == {"name": "codes", "ready": True}
    model = server.get("/v2/models/codes").json
    assert (model["name"], model["versions"], model["platform"]) == ("codes", ["1"], "spotter")
    assert model["inputs"] == [
        {"name": "image", "datatype": "BYTES", "shape": [-1]},
        {"name": "pixels", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
        {"name": "tensor", "datatype": "FP32", "shape": [-1, 3, 320, 320]},
    ]
    assert [(one["name"], one["datatype"], one["shape"]) for one in model["outputs"]] == [
        ("num_detections", "INT32", [-1]),
        ("boxes", "FP32", [-1, -1, 4]),
        ("scores", "FP32", [-1, -1]),
        ("class_ids", "INT32", [-1, -1]),
        ("labels", "BYTES", [-1, -1]),
    ]
    assert server.get("/v2/models/codes/versions/1").json == model


@pytest.mark.parametrize("path", ["/v2/models/unicorn", "/v2/models/unicorn/ready", "/v2/models/codes/versions/2",
                                  "/v2/models/codes/versions/2/ready", "/v2/nothing", "/v2/models/codes/config"])  # fmt: skip
def test_what_is_not_there_is_told_in_the_protocols_form(server, path):
    reply = server.get(path)
    assert reply.status == 404
    assert list(reply.json) == ["error"] and isinstance(reply.json["error"], str)


def test_a_method_that_is_not_for_a_path_is_told_in_the_protocols_form(server):
    reply = server.get(INFER)
    assert reply.status == 405 and reply.headers["Allow"] == "POST"
    assert "GET" in reply.json["error"]


def test_pictures_in_json_are_answered_in_json(server):
    reply = server.post(json.dumps({"id": "mine", "inputs": [image(SMALL, SMALL)]}), INFER)
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Inference-Header-Content-Length"] is None
    answer = reply.json
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("codes", "1", "mine")
    assert [one["name"] for one in answer["outputs"]] == OUTPUTS
    assert output(answer, "num_detections") == {"name": "num_detections", "datatype": "INT32", "shape": [2], "data": [0, 0]}
    assert output(answer, "boxes")["shape"] == [2, 0, 4]
    assert "total;dur=" in reply.headers["Server-Timing"]


def test_a_body_may_be_a_picture_as_it_is(server):
    reply = server.post(SMALL, INFER, Inference_Header_Content_Length="0")
    assert reply.status == 200 and output(reply.json, "num_detections")["data"] == [0]


def test_outputs_come_in_the_order_and_form_asked_for(server):
    wanted = [{"name": "labels", "parameters": {"binary_data": True}}, {"name": "num_detections"}]
    reply = server.post(json.dumps({"inputs": [image(SMALL)], "outputs": wanted}), INFER)
    assert reply.headers["Content-Type"] == "application/octet-stream"
    size = int(reply.headers["Inference-Header-Content-Length"])
    answer = json.loads(reply.body[:size])
    assert len(reply.body) == size
    assert [one["name"] for one in answer["outputs"]] == ["labels", "num_detections"]
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 0}
    assert answer["outputs"][1]["data"] == [0]


def test_binary_and_json_carry_the_same_numbers(server):
    value = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 8 + 2 * len(SMALL)}}],
             "parameters": {"binary_data_output": True}}  # fmt: skip
    body, headers = binary(value, string(SMALL), string(SMALL))
    reply = server.post(body, INFER, **headers)
    assert reply.status == 200
    size = int(reply.headers["Inference-Header-Content-Length"])
    assert json.loads(reply.body[:size])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert reply.body[size:] == struct.pack("<ii", 0, 0)


@pytest.mark.parametrize("data", [[[[[1, 2, 3]], [[4, 5, 6]]]], [1, 2, 3, 4, 5, 6]])
def test_json_data_may_be_flat_or_nested(server, data):
    value = {"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 1, 3], "data": data}]}
    assert server.post(json.dumps(value), INFER).status == 200


def test_a_model_that_takes_no_tensors_says_so(shared_server):
    assert [one["name"] for one in shared_server.get("/v2/models/codes").json["inputs"]] == ["image", "pixels"]
    value = {"inputs": [{"name": "tensor", "datatype": "FP32", "shape": [1, 3, 1, 1], "data": [0, 0, 0]}]}
    reply = shared_server.post(json.dumps(value), INFER)
    assert reply.status == 400 and "tensor_input" in reply.json["error"]


def test_the_requests_of_both_protocols_are_counted_alike(server):
    before = server.metric("spotter_requests_total", model="codes", code="200")
    server.post(json.dumps({"inputs": [image(SMALL)]}), INFER)
    assert server.metric("spotter_requests_total", model="codes", code="200") == before + 1
    assert server.metric("spotter_batch_size_count", model="codes") >= 1


FLOATS = 3 * 320 * 320
PIXELS = {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3]}
TENSOR = {"name": "tensor", "datatype": "FP32", "shape": [1, 3, 320, 320]}


def of_size(tensor, size):
    return {**tensor, "parameters": {"binary_data_size": size}}


def request(*inputs, **more):
    return json.dumps({"inputs": list(inputs), **more})


WRONG = {
    "no JSON": ("x", 400, "JSON"),
    "a list": ("[]", 400, "an object is needed"),
    "a name twice": ('{"inputs": [], "inputs": []}', 400, "duplicate"),
    "too deep": ('{"inputs":' + "[" * 40 + "]" * 40 + "}", 400, "deeper than"),
    "no inputs": ("{}", 400, "'inputs'"),
    "inputs that are no list": ('{"inputs": 1}', 400, "'inputs'"),
    "an empty list of inputs": (request(), 400, "image, pixels, tensor"),
    "two inputs": (request(image(SMALL), image(SMALL)), 400, "one tensor"),
    "an input that is no object": (request(1), 400, "one tensor"),
    "an unknown member": (request(image(SMALL), extra=1), 400, "'extra'"),
    "an input without a name": (request({"datatype": "BYTES"}), 400, "''"),
    "an unknown input": (request(image(SMALL, name="picture")), 400, "'picture'"),
    "an unknown member of an input": (request(image(SMALL, dtype="x")), 400, "'dtype'"),
    "no datatype": (request({"name": "image", "shape": [1], "data": [b64(SMALL)]}), 400, "BYTES"),
    "another datatype": (request(image(SMALL, datatype="UINT8")), 400, "BYTES"),
    "a datatype nobody has": (request({**PIXELS, "datatype": "INT4"}), 400, "UINT8"),
    "no shape": (request({"name": "image", "datatype": "BYTES", "data": [b64(SMALL)]}), 400, "[-1]"),
    "a shape that is no list": (request(image(SMALL, shape=1)), 400, "[-1]"),
    "a shape of texts": (request(image(SMALL, shape=["1"])), 400, "[-1]"),
    "a shape of fractions": (request(image(SMALL, shape=[1.0])), 400, "[-1]"),
    "an empty shape": (request(image(SMALL, shape=[])), 400, "[-1]"),
    "a size of 0": (request(image(shape=[0])), 400, "[-1]"),
    "a size below 0": (request(image(SMALL, shape=[-1])), 400, "[-1]"),
    "a size beyond 32 bits": (request(image(SMALL, shape=[2**32 + 1])), 400, "[-1]"),
    "a size beyond 64 bits": ('{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [18446744073709551617], "data": []}]}', 400, "big"),
    "too many sizes": (request(image(SMALL, shape=[1, 1, 1])), 400, "[-1]"),
    "a second size that is not 1": (request(image(SMALL, SMALL, shape=[1, 2])), 400, "[-1]"),
    "too few elements": (request(image(SMALL, shape=[2])), 400, "1 elements; its shape asks for 2"),
    "too many elements": (request(image(SMALL, SMALL, shape=[1])), 400, "more than 1"),
    "too many pictures": (request(image(*[SMALL] * 5)), 413, "4 are allowed"),
    "neither data nor binary": (request({"name": "image", "datatype": "BYTES", "shape": [1]}), 400, "either 'data'"),
    "both data and binary": (request(of_size(image(SMALL), 0)), 400, "either 'data'"),
    "data that is no list": (request(image(SMALL, data=b64(SMALL))), 400, "must be a list"),
    "data that is no base64": (request(image(SMALL, data=["%%%"])), 400, "element 0 is not base64"),
    "data that is no text": (request(image(SMALL, data=[7])), 400, "element 0 is not base64"),
    "shared memory": (request({**PIXELS, "parameters": {"shared_memory_region": "x"}}), 400, "shared memory"),
    "an empty picture": (request(image(b"")), 422, "empty"),
    "no picture": (request(image(b"no picture")), 415, "JPEG"),
    "one that is no picture among others": (request(image(SMALL, b"no picture")), 415, "JPEG"),
    "a damaged picture": (request(image(SMALL[:40])), 422, ""),
    "too large a picture": (request(image(png(999, 999))), 413, ""),
    "three sizes for pixels": (request({**PIXELS, "shape": [2, 2, 3], "data": [0] * 12}), 400, "[-1,-1,-1,3]"),
    "four channels": (request({**PIXELS, "shape": [1, 2, 2, 4], "data": [0] * 16}), 400, "[-1,-1,-1,3]"),
    "too wide pixels": (request({**PIXELS, "shape": [1, 1, 1001, 3], "data": [0] * 3003}), 413, "sides of 1000"),
    "too many pixels": (request({**PIXELS, "shape": [1, 999, 999, 3], "data": [0]}), 413, "200000"),
    "a pixel of 256": (request({**PIXELS, "data": [0] * 11 + [256]}), 400, "element 11"),
    "a pixel below 0": (request({**PIXELS, "data": [-1] + [0] * 11}), 400, "element 0"),
    "a fraction of a pixel": (request({**PIXELS, "data": [0.5] + [0] * 11}), 400, "element 0"),
    "true for a pixel": (request({**PIXELS, "data": [True] + [0] * 11}), 400, "element 0"),
    "null for a pixel": (request({**PIXELS, "data": [None] + [0] * 11}), 400, "element 0"),
    "a tensor of another size": (request({**TENSOR, "shape": [1, 3, 320, 321], "data": [0]}), 400, "[-1,3,320,320]"),
    "channels last": (request({**TENSOR, "shape": [1, 320, 320, 3], "data": [0]}), 400, "[-1,3,320,320]"),
    "too large a number": (request({**TENSOR, "data": [1e39]}), 400, "element 0 is not a finite number"),
    "a text for a number": (request({**TENSOR, "data": ["1"]}), 400, "element 0"),
    "more JSON than is borne": (request({**TENSOR, "shape": [4, 3, 320, 320], "data": [0] * (4 * FLOATS)}), 400, "more than 1048576"),
    "parameters that are no object": (request(image(SMALL), parameters=[]), 400, "'parameters'"),
    "an unknown parameter": (request(image(SMALL), parameters={"confidance": 1}), 400, "'confidance'"),
    "a bad parameter": (request(image(SMALL), parameters={"confidence": 2}), 400, "0 to 1"),
    "a parameter that is an object": (request(image(SMALL), parameters={"iou": {}}), 400, "'iou'"),
    "an unknown class": (request(image(SMALL), parameters={"classes": ["cat"]}), 400, "'cat'"),
    "an annotated answer": (request(image(SMALL), parameters={"format": "annotated"}), 400, "format"),
    "a timeout that is a text": (request(image(SMALL), parameters={"timeout": "1"}), 400, "microseconds"),
    "a timeout below 0": (request(image(SMALL), parameters={"timeout": -1}), 400, "microseconds"),
    "binary_data_output that is a number": (request(image(SMALL), parameters={"binary_data_output": 1}), 400, "true or false"),
    "an id that is an object": (request(image(SMALL), id={}), 400, "'id'"),
    "too long an id": (request(image(SMALL), id="x" * 200), 400, "'id'"),
    "outputs that are no list": (request(image(SMALL), outputs={}), 400, "'outputs'"),
    "an output that is no object": (request(image(SMALL), outputs=["boxes"]), 400, "num_detections, boxes"),
    "an unknown output": (request(image(SMALL), outputs=[{"name": "masks"}]), 400, "'masks'"),
    "an output twice": (request(image(SMALL), outputs=[{"name": "boxes"}] * 2), 400, "twice"),
    "a classification": (request(image(SMALL), outputs=[{"name": "scores", "parameters": {"classification": 3}}]), 400, "'classification'"),
    "binary_data that is a text": (request(image(SMALL), outputs=[{"name": "scores", "parameters": {"binary_data": "yes"}}]), 400, "true or false"),
    "a binary size without binary data": (request(of_size(PIXELS, 12)), 400, "at most 0"),
    "a binary size below 0": (request(of_size(PIXELS, -1)), 400, "binary_data_size"),
    "a binary size that is a text": (request(of_size(PIXELS, "12")), 400, "binary_data_size"),
    "an empty body": ("", 400, "empty"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(server, what):
    body, status, words = WRONG[what]
    reply = server.post(body, INFER)
    assert reply.status == status, reply.body
    assert list(reply.json) == ["error"]
    assert words in reply.json["error"]


IMAGE = {"name": "image", "datatype": "BYTES"}
WRONG_BINARY = {
    "too few bytes": ({**PIXELS}, [bytes(11)], 11, "its shape asks for 12"),
    "too many bytes": ({**PIXELS}, [bytes(13)], 13, "its shape asks for 12"),
    "bytes behind the last tensor": ({**PIXELS}, [bytes(13)], 12, "1 bytes are left"),
    "fewer bytes than named": ({**PIXELS}, [bytes(11)], 12, "at most 11"),
    "half a length": ({**IMAGE, "shape": [1]}, [b"\1\0"], 2, "before the length of element 0"),
    "a length beyond the end": ({**IMAGE, "shape": [1]}, [struct.pack("<I", 2**32 - 1), b"abc"], 7, "has 4294967295 bytes, of which 3"),
    "one string for two": ({**IMAGE, "shape": [2]}, [string(SMALL)], 4 + len(SMALL), "before the length of element 1"),
    "two strings for one": ({**IMAGE, "shape": [1]}, [string(SMALL)] * 2, 8 + 2 * len(SMALL), "are left after its 1 elements"),
    "a value that is no number": ({**TENSOR}, [struct.pack("<f", float("nan")), bytes(4 * FLOATS - 4)], 4 * FLOATS, "not finite"),
    "an infinite value": ({**TENSOR}, [bytes(4 * FLOATS - 4), struct.pack("<f", float("-inf"))], 4 * FLOATS, "not finite"),
    "half a tensor": ({**TENSOR}, [bytes(2 * FLOATS)], 2 * FLOATS, "its shape asks for"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_BINARY)
def test_a_wrong_binary_tensor_is_refused_with_what_is_wrong(server, what):
    tensor, pieces, size, words = WRONG_BINARY[what]
    body, headers = binary({"inputs": [of_size(tensor, size)]}, *pieces)
    reply = server.post(body, INFER, **headers)
    assert reply.status == 400, reply.body
    assert list(reply.json) == ["error"] and words in reply.json["error"]


@pytest.mark.parametrize("length", ["x", "-1", "", "1e3", "99999999999999999999", "100000"])
def test_a_wrong_length_of_the_json_is_refused(server, length):
    reply = server.post(request(image(SMALL)), INFER, Inference_Header_Content_Length=length)
    assert reply.status == 400
    assert "Inference-Header-Content-Length" in reply.json["error"]


def test_a_compressed_body_is_refused(server):
    reply = server.post(request(image(SMALL)), INFER, Content_Encoding="gzip")
    assert reply.status == 415 and "gzip" in reply.json["error"]


def test_a_model_that_is_not_there_is_refused(server):
    assert server.post(request(image(SMALL)), "/v2/models/unicorn/infer").status == 404
    assert server.post(request(image(SMALL)), "/v2/models/codes/versions/2/infer").status == 404
    assert server.post(request(image(SMALL)), "/v2/models/codes/versions/1/infer").status == 200


def barcode(rng):
    """A picture [320,320,3] of a label with bars."""
    picture = np.full((320, 320, 3), 170, np.uint8)
    picture[90:230, 50:270] = 245
    edges = np.cumsum(rng.integers(2, 7, 44)) + 72
    for left, right in zip(edges[::2], edges[1::2]):
        picture[110:210, left:right] = 15
    return picture


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    """What NVIDIA's client gets from a server that computes."""
    python = python_with("tritonclient[http]==2.73.0")
    folder = tmp_path_factory.mktemp("triton")
    rng = np.random.default_rng(5)
    pixels = np.stack([barcode(rng), rng.integers(0, 256, (320, 320, 3), dtype=np.uint8)])
    # What the bundled detector's preprocessing makes of a picture of its own size (specs of NanoDet).
    mean, deviation = np.array([103.53, 116.28, 123.675]), np.array([57.375, 57.12, 58.395])
    prepared = ((pixels[..., ::-1] - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    np.savez(folder / "tensors.npz", pixels=pixels, prepared=np.ascontiguousarray(prepared))
    server = Server(folder, "--tensor-input", "--confidence", "0.05", "--precision", "f32", backend="cpu")
    words = [python, HERE / "triton_client.py", f"127.0.0.1:{server.port}", SAMPLE, folder / "tensors.npz"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    native = server.post(SAMPLE.read_bytes()).json["detections"]
    yield json.loads(done.stdout), native
    server.stop()


def test_tritonclient_finds_server_and_model(triton):
    got, _ = triton
    assert (got["live"], got["ready"], got["model_ready"], got["other_ready"]) == (True, True, True, False)
    assert got["server"]["name"] == "spotter" and got["model"]["name"] == "codes"


def test_tritonclient_gets_what_the_native_protocol_gives(triton):
    got, native = triton
    answer = got["picture"]
    assert answer["id"] == "mine"
    count = answer["num_detections"][0]
    assert count == len(native) >= 4
    for i, one in enumerate(native):
        assert answer["labels"][0][i] == one["label"] and answer["class_ids"][0][i] == one["class_id"]
        assert answer["scores"][0][i] == pytest.approx(one["confidence"], abs=1e-4)
        assert answer["boxes"][0][i] == pytest.approx(list(one["box"].values()), abs=0.01)


@pytest.mark.parametrize("other", ["picture_as_json", "column", "patient"])
def test_tritonclient_gets_the_same_in_every_form(triton, other):
    got, _ = triton
    assert {**got[other], "id": None} == {**got["picture"], "id": None}


def test_tritonclient_gets_a_row_for_each_picture(triton):
    got, _ = triton
    for name in OUTPUTS:
        assert got["three"][name] == got["picture"][name] * 3


def test_tritonclient_can_send_parameters(triton):
    got, native = triton
    sure = [one for one in native if one["confidence"] >= 0.9]
    assert 0 < len(sure) < len(native) and got["strict"]["num_detections"] == [len(sure)]


def test_tritonclient_can_enter_after_the_preprocessing(triton):
    got, _ = triton
    pixels, prepared = got["pixels"], got["prepared"]
    assert sum(pixels["num_detections"]) > 0, "the test needs something to compare"
    assert prepared["num_detections"] == pixels["num_detections"]
    assert prepared["class_ids"] == pixels["class_ids"]
    assert np.allclose(prepared["scores"], pixels["scores"], atol=1e-3)
    assert np.allclose(prepared["boxes"], pixels["boxes"], atol=0.1)
    assert got["prepared_as_json"]["num_detections"] == prepared["num_detections"][:1]


def test_rows_of_fewer_detections_are_filled_up(triton):
    got, _ = triton
    counts, most = got["pixels"]["num_detections"], max(got["pixels"]["num_detections"])
    for i, count in enumerate(counts):
        assert len(got["pixels"]["scores"][i]) == most
        assert got["pixels"]["class_ids"][i][count:] == [-1] * (most - count)
        assert got["pixels"]["labels"][i][count:] == [""] * (most - count)
        assert got["pixels"]["boxes"][i][count:] == [[0, 0, 0, 0]] * (most - count)


@pytest.mark.parametrize("what, status, words", [
    ("wrong_shape", "400", "[-1,3,320,320]"),
    ("wrong_type", "400", "FP32"),
    ("no_model", "404", "unicorn"),
    ("no_picture", "415", "JPEG"),
    ("no_output", "400", "masks"),
])  # fmt: skip
def test_tritonclient_raises_what_was_wrong(triton, what, status, words):
    got, _ = triton
    assert status in str(got[what]["status"]) and words in got[what]["message"]
