"""bench/peers/compare.py: its table and file, what it refuses, and that others compute what spotter does."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import PROGRAM, ROOT

SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))
PEERS = ROOT / "bench" / "peers"

spec = importlib.util.spec_from_file_location("pypi", ROOT / "tests" / "http" / "pypi.py")
pypi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pypi)


sys.path.insert(0, str(PEERS))
PACKAGES = ("numpy", "onnx", "onnxruntime", "pillow")


def call(program, *words, python=sys.executable):
    return subprocess.run(
        [python, PEERS / program, "--spotter", PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def compare(*words, python=sys.executable):
    return call("compare.py", *words, python=python)


def accuracy(*words):
    """Of ONNX Runtime, which computes in f32 alone."""
    if not (SHARED / "eval" / "coco-val-240").is_dir() or not (SHARED / "onnx").is_dir():
        pytest.skip(f"no pictures or ONNX files in {SHARED}")
    words = ("--only", "onnxruntime", "--precision", "f32", *words)
    return call("accuracy.py", *words, python=pypi.python_with(*PACKAGES))


def test_every_row_names_its_precision(tmp_path):
    if not (SHARED / "weights").is_dir():
        pytest.skip(f"no weights in {SHARED}")
    out = tmp_path / "bench" / "peers.json"
    words = ("--shared", SHARED, "--models", "nanodet-m-320", "--only", "spotter")
    words += ("--batch", 1, 2, "--threads", 1)
    figures = tmp_path / "accuracy.json"
    measured = {"detector": "nanodet-m-320", "pictures": "coco-val-240", "flags": [], "values": {"f32": 0.25}}
    figures.write_text(json.dumps([{**measured, "figure": "AP"}, {**measured, "figure": "AP50"}]))
    result = compare(*words, "--rounds", 2, "--seconds", 0.05, "--out", out, "--accuracy", figures)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    titles = ["model", "runtime", "precision", "batch", "threads", "ms", "least", "most", "images/s", "ratio"]
    assert lines[0].split() == [*titles, "of", "ORT", "of", "1x1", "accuracy"]
    assert lines[1].split()[:2] == ["nanodet-m-320", "spotter"]
    assert lines[1].split()[3] == "f32" and lines[1].split()[-5:] == ["1.00", "-", "1.00", "AP", "0.2500"]
    rows = json.loads(out.read_text())["rows"]
    assert rows[0]["precision"] == "f32"
    assert len(rows[0]["turns"]) == 2
    assert {row["batch"] for row in rows} == {1, 2}
    single, double = (next(r for r in rows if r["batch"] == batch and r["precision"] == "f32") for batch in (1, 2))
    by_round = [b / a for a, b in zip(single["turns"], double["turns"])]
    assert min(by_round) <= double["of_single"] <= max(by_round)
    assert 0 < rows[0]["ms_least"] <= rows[0]["ms"] <= rows[0]["ms_most"]


def test_without_weights_it_says_where_it_looked(tmp_path):
    result = compare("--shared", tmp_path)
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr and "SPOT_SHARED" in result.stderr


def test_the_two_stages_of_light_head_in_onnx_are_those_of_spotter(tmp_path):
    python = pypi.python_with(*PACKAGES)
    out = tmp_path / "peers.json"
    words = ("--models", "light-head-rcnn-s-640", "--only", "spotter", "onnxruntime", "--shared", tmp_path)
    result = compare(*words, "--batch", 1, "--threads", 1, "--rounds", 1, "--seconds", 0.05, "--out", out, python=python)
    assert result.returncode == 0, result.stderr
    assert "something else" not in result.stderr
    rows = json.loads(out.read_text())["rows"]
    noise = {(row["runtime"], row["precision"]): row["noise"] for row in rows}
    assert noise["spotter", "f32"] == 0
    assert 0 < noise["ONNX Runtime", "f32"] < 1e-5
    assert noise.get(("spotter", "bf16"), 0) < 0.02


def test_another_network_is_noticed():
    numpy = pytest.importorskip("numpy")
    from networks import noise

    values = numpy.arange(24, dtype=numpy.float32).reshape(1, 2, 3, 4)
    assert noise({"thin": values}, {"thin": values.copy()}) == 0
    assert noise({"thin": values[:, ::-1]}, {"thin": values}) > 0.5  # compared one by one
    assert noise({"out0": values[:, ::-1]}, {"thin": values}) == 0  # other names: another order
    assert noise({"out0": values + 3}, {"thin": values}) > 0.1
    assert noise({"out0": values[:, :1]}, {"thin": values}) is None


# a picture's detections by spotter and by another runtime, in f32: they differ in the last digits
BOX_OFF, SCORE_OFF = 0.02, 1e-4


def is_among(one, others):
    return any(
        one["category_id"] == other["category_id"]
        and abs(one["score"] - other["score"]) < SCORE_OFF
        and all(abs(a - b) < BOX_OFF for a, b in zip(one["bbox"], other["bbox"]))
        for other in others
    )


@pytest.mark.parametrize("model", ["nanodet-m-320", "nanodet-m-416", "yolov5-shufflenetv2-320", "rfsong-779"])
def test_what_is_decoded_from_another_runtime_is_what_spotter_detects(tmp_path, model):
    pictures = 4
    result = accuracy("--shared", SHARED, "--models", model, "--limit", pictures, "--results", tmp_path)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    spotters, peers = (line.split()[-1] for line in result.stdout.splitlines())
    assert abs(float(spotters) - float(peers)) <= 0.001

    from networks import Files

    folder = SHARED / "eval" / "coco-val-240"
    words = [PROGRAM, "eval", *Files(model, SHARED, PROGRAM).words(), "--backend", "cpu", "--precision", "f32"]
    words += ["--images", folder / "images", "--annotations", folder / "annotations.json", "--limit", pictures]
    words += ["--results", tmp_path / "spotter.json", *(["--only-with-objects"] if model == "rfsong-779" else [])]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    expected = json.loads((tmp_path / "spotter.json").read_text())
    found = json.loads((tmp_path / f"{model}.ONNXRuntime.f32.json").read_text())
    assert len(expected) > 10 and abs(len(found) - len(expected)) <= 0.01 * len(expected)
    by_picture = {one["image_id"]: [] for one in expected}
    for one in found:
        by_picture[one["image_id"]].append(one)
    assert len(by_picture) == pictures
    # one at the edge of the threshold, or of an overlap, may be here and not there
    missed = [one for one in expected if not is_among(one, by_picture[one["image_id"]])]
    assert len(missed) <= 0.01 * len(expected), missed


def test_a_runtime_that_finds_something_else_is_named(tmp_path):
    for name in ("eval", "onnx"):
        (tmp_path / name).symlink_to(SHARED / name)
    (tmp_path / "weights").mkdir()
    other = SHARED / "weights" / "nanodet-m-416.safetensors"  # the same tensors, trained at another size
    (tmp_path / "weights" / "nanodet-m-320.safetensors").symlink_to(other)
    result = accuracy("--shared", tmp_path, "--models", "nanodet-m-320", "--limit", 10)
    assert result.returncode == 0
    assert "nanodet-m-320: ONNX Runtime f32 finds something else than spotter" in result.stderr


def test_accuracy_needs_pictures(tmp_path):
    result = call("accuracy.py", "--shared", tmp_path, python=pypi.python_with(*PACKAGES))
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr and "SPOT_SHARED" in result.stderr


def test_accuracy_stands_in_the_rows_that_it_was_measured_for(tmp_path):
    from compare import add_accuracy, read_peers_accuracy

    def row(runtime, precision, noise):
        return {"model": "nanodet-m-320", "runtime": runtime, "version": "1", "precision": precision, "noise": noise}

    path = tmp_path / "peers-accuracy.json"
    assert read_peers_accuracy(path) == {}
    path.write_text(json.dumps([{**row("OpenVINO", "bf16", None), "figure": "AP", "value": 0.2}]))
    rows = [row("spotter", "f32", 0), row("OpenVINO", "f32", 1e-6), row("OpenVINO", "bf16", 0.005)]
    rows += [row("ncnn", "f32", 0.5), row("ncnn", "bf16", 0.005), {**row("OpenVINO", "bf16", 0.005), "version": "2"}]
    add_accuracy(rows, {("nanodet-m-320", "f32"): {"figure": "AP", "value": 0.3}}, read_peers_accuracy(path))
    # as measured; of the same numbers in f32 spotter's; unknown of other numbers, and of another version
    values = [one["accuracy"] and one["accuracy"]["value"] for one in rows]
    assert values == [0.3, 0.3, 0.2, None, None, None]
