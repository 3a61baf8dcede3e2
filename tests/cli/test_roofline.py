"""bench/roofline: its table and file."""

import json
import subprocess
import sys

from conftest import PROGRAM, ROOT


def test_each_step_has_a_floor_and_the_table_sums_them(tmp_path):
    out = tmp_path / "roofline.json"
    words = ["--model", "yolov5-shufflenetv2-320", "--precision", "f32", "--seconds", "0.2", "--json", out]
    result = subprocess.run(
        [sys.executable, ROOT / "bench" / "roofline", "--program", PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    written = json.loads(out.read_text())
    assert written["peaks"]["f32_macs"] > 1e9 and written["peaks"]["cache_bytes"] > 1e8
    (network,) = written["results"]
    for step in network["steps"]:
        macs_ms = 1e3 * step["macs"] / written["peaks"]["f32_macs"]
        assert step["floor_ms"] >= 0.999 * macs_ms and step["floor_ms"] > 0
    last = result.stdout.splitlines()[-1].split("|")
    assert last[1].strip() == "all"
    assert int(last[2]) == len(network["steps"])
    assert abs(float(last[7]) - sum(step["floor_ms"] for step in network["steps"])) < 0.001


def test_a_model_that_is_not_there_is_named():
    words = ["--model", "no-such-model", "--precision", "f32"]
    result = subprocess.run(
        [sys.executable, ROOT / "bench" / "roofline", "--program", PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1
    assert "no-such-model" in result.stderr
