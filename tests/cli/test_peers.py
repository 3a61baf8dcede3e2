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


def compare(*words, python=sys.executable):
    return subprocess.run(
        [python, PEERS / "compare.py", "--spotter", PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_row_names_its_precision(tmp_path):
    if not (SHARED / "weights").is_dir():
        pytest.skip(f"no weights in {SHARED}")
    out = tmp_path / "bench" / "peers.json"
    words = ("--shared", SHARED, "--models", "nanodet-m-320", "--only", "spotter")
    words += ("--batch", 1, 2, "--threads", 1)
    accuracy = tmp_path / "accuracy.json"
    measured = {"detector": "nanodet-m-320", "pictures": "coco-val-240", "flags": [], "values": {"f32": 0.25}}
    accuracy.write_text(json.dumps([{**measured, "figure": "AP"}, {**measured, "figure": "AP50"}]))
    result = compare(*words, "--rounds", 2, "--seconds", 0.05, "--out", out, "--accuracy", accuracy)
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
    python = pypi.python_with("numpy", "onnx", "onnxruntime")
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
    sys.path.insert(0, str(PEERS))
    from networks import noise

    values = numpy.arange(24, dtype=numpy.float32).reshape(1, 2, 3, 4)
    assert noise({"thin": values}, {"thin": values.copy()}) == 0
    assert noise({"thin": values[:, ::-1]}, {"thin": values}) > 0.5  # compared one by one
    assert noise({"out0": values[:, ::-1]}, {"thin": values}) == 0  # other names: another order
    assert noise({"out0": values + 3}, {"thin": values}) > 0.1
    assert noise({"out0": values[:, :1]}, {"thin": values}) is None
