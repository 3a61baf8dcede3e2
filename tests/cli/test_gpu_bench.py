"""bench/gpu.sh from start to end where there is no GPU: what it skips, and what it writes."""

import csv
import importlib.util
import json
import os
import subprocess
import sys

import pytest
from conftest import PROGRAM, ROOT

SCRIPT = ROOT / "bench" / "gpu.sh"
ONNX = ROOT.parent / "shared" / "onnx"
if "SPOT_SHARED" in os.environ:
    ONNX = type(ROOT)(os.environ["SPOT_SHARED"]) / "onnx"
SHORT = ("--models", "nanodet-m-320", "--batches", "1,2", "--precisions", "f32", "--seconds", "0.02")
PEAKS = ("--peak-f16", "1", "--peak-f32", "0.5", "--bandwidth", "50")

spec = importlib.util.spec_from_file_location("pypi", ROOT / "tests" / "http" / "pypi.py")
pypi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pypi)


def measure(out, *words, python=sys.executable):
    variables = {**os.environ, "SPOTTER": PROGRAM, "PYTHON": python, "CUDA_VISIBLE_DEVICES": ""}
    words = [SCRIPT, "--out", out, *SHORT, *words]
    return subprocess.run(list(map(str, words)), env=variables, capture_output=True, text=True, timeout=300)


def test_without_a_gpu_it_says_what_is_skipped_and_writes_its_report(tmp_path):
    result = measure(tmp_path)
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    notes = json.loads((tmp_path / "measured.json").read_text())["notes"]
    assert any(note.startswith("Self-test: skipped, ") for note in notes)
    assert any(note.startswith("spotter: skipped, ") and note.count(".") >= 1 for note in notes)
    assert any(note.startswith("No floor: ") for note in notes)
    assert any(note.startswith("ONNX Runtime") for note in notes)
    report = (tmp_path / "report.md").read_text()
    for note in notes:
        assert note in result.stdout and note in report
    assert result.stdout.splitlines()[-1] == f"0 measured; written: {tmp_path / 'report.md'}"


def test_every_figure_stands_beside_its_floor(tmp_path):
    result = measure(tmp_path, "--backend", "cpu", "--selftest", "weights", *PEAKS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed, 0 failed" in result.stdout
    with open(tmp_path / "measured.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["runtime"] == "spotter"]
    assert [(row["batch"], row["lanes"]) for row in rows] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]
    floor = {row["batch"]: float(row["floor_ms"]) for row in rows}
    # NanoDet-m 320 has 342 million multiply-adds: 1.37 ms at 0.5 * 10^12 operations a second, and more
    # where bytes take longer
    assert 1.369 <= floor["1"] <= 4
    assert floor["2"] == pytest.approx(2 * floor["1"])
    for row in rows:
        throughput_ms = 1e3 * int(row["batch"]) / float(row["images_per_second"])
        assert float(row["share"]) == pytest.approx(float(row["floor_ms"]) / throughput_ms)
        line = f"nanodet-m-320 f32 batch {row['batch']} lanes {row['lanes']}: spotter {float(row['ms']):.3f} ms"
        assert line in result.stdout and f"floor {float(row['floor_ms']):.3f} ms" in result.stdout


def test_onnx_runtime_is_measured_by_the_providers_it_has(tmp_path):
    if not (ONNX / "nanodet-m-320.onnx").exists():
        pytest.skip(f"no ONNX files in {ONNX}")
    python = pypi.python_with("numpy", "onnx", "onnxruntime")
    words = ("--selftest", "none", "--onnx", ONNX, *PEAKS)
    result = measure(tmp_path, "--backend", "cpu", *words, python=python)
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads((tmp_path / "measured.json").read_text())
    others = [row for row in found["rows"] if row["runtime"].endswith(" CPUExecutionProvider")]
    assert others and others[0]["batch"] == 1
    assert all(row["ms"] > 0 and row["floor_ms"] > 0 for row in others)
    skipped = [note for note in found["notes"] if "batches of 1" in note]
    assert len(others) + len(skipped) == 2

    result = measure(tmp_path, *words, python=python)  # in the place of a GPU's
    assert result.returncode == 1
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        assert f"{provider} skipped, it has only " in result.stdout
