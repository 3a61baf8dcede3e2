"""bench/peers/compare.py without other runtimes: its table and file, and what it refuses."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import PROGRAM, ROOT

SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))


def compare(*words):
    script = ROOT / "bench" / "peers" / "compare.py"
    return subprocess.run(
        [sys.executable, script, "--spotter", PROGRAM, *map(str, words)],
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
    result = compare(*words, "--rounds", 2, "--seconds", 0.05, "--out", out)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    titles = ["model", "runtime", "precision", "batch", "threads", "ms", "least", "most", "images/s", "ratio"]
    assert lines[0].split() == titles
    assert lines[1].split()[:2] == ["nanodet-m-320", "spotter"]
    assert lines[1].split()[3] == "f32" and lines[1].split()[-1] == "1.00"
    rows = json.loads(out.read_text())["rows"]
    assert rows[0]["precision"] == "f32"
    assert len(rows[0]["turns"]) == 2
    assert {row["batch"] for row in rows} == {1, 2}
    assert 0 < rows[0]["ms_least"] <= rows[0]["ms"] <= rows[0]["ms_most"]


def test_without_weights_it_says_where_it_looked(tmp_path):
    result = compare("--shared", tmp_path)
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr and "SPOT_SHARED" in result.stderr
