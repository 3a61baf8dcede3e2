"""What the plug-in computes, in every order that the emulation has, with every check that it makes."""
import json
import re

import pytest
from emulated import PLUGIN, PROGRAM, ROOT, SHARED, run

ORDERS = {
    "late": {"order": "lazy", "threads": "forward"},
    "at once": {"order": "eager", "threads": "reverse"},
    "by chance": {"order": "random:7", "threads": "random:7"},
}

LAUNCHES_TIMED = 13  # cuda/tune.c: to warm up, then with the clock


def passed(result):
    """The number of checks that passed; none failed, the emulation found nothing, and cuDNN had all its engines."""
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "the kernel that is slow" not in result.stderr, result.stderr[-3000:]
    return int(re.search(r"(\d+) passed, 0 failed", result.stdout).group(1))


def read_counts(path):
    """How often each operation ran."""
    lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
    return {name: int(count) for count, name in lines}


@pytest.mark.parametrize("order", ORDERS)
def test_every_operator_agrees_with_the_reference(order):
    assert passed(run("selftest", "--backend", "cuda", "--only", "operators", **ORDERS[order])) >= 188


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
def test_shared_operator_cases_agree():
    result = run("--cases", SHARED / "goldens" / "ops", "--backend", "cuda", "--plugin", PLUGIN, "--precision", "f32",
                 program=PROGRAM.parent / "tests" / "spotter-ops")
    assert passed(result) >= 93


@pytest.mark.parametrize("order, checks", [("late", "all"), ("by chance", "bounds")])
def test_bundled_weights_find_the_same_in_full_size(tmp_path, order, checks):
    """NanoDet-m 320 in float32 and float16; its convolutions are cuDNN's, and it runs as a graph."""
    result = run("selftest", "--backend", "cuda", "--only", "weights", checks=checks, counts=tmp_path / "counts",
                 **ORDERS[order])
    assert passed(result) == 2
    counts = read_counts(tmp_path / "counts")
    assert counts["cudnnBackendExecute"] > 100
    assert counts["the end of a graph"] >= 2
    for line in result.stdout.splitlines():
        if " f32: off by " in line:
            assert float(re.search(r"off by (\S+),", line).group(1)) < 1e-3


def test_what_is_faster_is_timed_once_for_each_shape_and_remembered(tmp_path):
    """As it starts unless told otherwise. In emulation spans go by chance, so either way wins somewhere."""
    answers, executed = [], []
    for start in range(2):
        result = run("detect", "--json", "--backend", "cuda", "--backend-settings", f"plans={tmp_path}",
                     ROOT / "docs" / "images" / "sample.jpg", checks="bounds", counts=tmp_path / "counts")
        assert result.returncode == 0, result.stderr[-3000:]
        answers.append(json.loads(result.stdout)["detections"])
        executed.append(read_counts(tmp_path / "counts")["cudnnBackendExecute"])
        [path] = tmp_path.glob("*.json")
        plans = json.loads(path.read_text())["plans"]
        chosen = [plan["engine"] for key, plan in plans.items() if key.startswith("faster: ")]
        assert len(chosen) >= 8 and 0 < chosen.count(-1) < len(chosen), chosen
    assert executed[0] - executed[1] == LAUNCHES_TIMED * len(chosen)
    assert answers[0] == answers[1] != []
