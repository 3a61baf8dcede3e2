"""`spotter selftest` without the models: covers every operator, passes on the CPU, fails where results are wrong."""

import json
import re

import pytest
from program import ROOT, run


@pytest.fixture(scope="module")
def operators():
    words = ("selftest", "--backend", "cpu", "--only", "operators", "--json")
    result = run(*words)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode, json.loads(result.stdout)


def test_every_operator_passes_on_the_cpu(operators):
    status, printed = operators
    assert [check for check in printed["checks"] if check["verdict"] == "FAIL"] == []
    assert (status, printed["failed"]) == (0, 0)
    assert printed["passed"] > 80
    assert printed["device"]["backend"] == "cpu" and printed["device"]["name"]


def test_every_operator_of_the_source_is_among_the_checks(operators):
    sources = {path.stem for path in (ROOT / "core" / "ops").glob("*.c")}
    checked = {re.match(r"\w+", check["subject"]).group() for check in operators[1]["checks"]}
    assert sources == checked


def test_bundled_weights_find_the_same_as_the_reference():
    result = run("selftest", "--backend", "cpu", "--only", "weights", "--json")
    assert result.returncode == 0, result.stdout
    checks = json.loads(result.stdout)["checks"]
    assert {check["kind"] for check in checks} == {"weights"}
    assert all(0 <= check["difference"] <= check["tolerance"] for check in checks)


@pytest.mark.parametrize("part, kind", [("operators", "operator"), ("weights", "weights")])
def test_wrong_results_are_found_and_fail(part, kind):
    """The null backend computes nothing: everything it says is wrong."""
    result = run("selftest", "--backend", "null", "--only", part)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"spotter \S+ on null: .*", lines[0])
    passed, failed = map(int, re.fullmatch(r"(\d+) passed, (\d+) failed", lines[-1]).groups())
    assert passed == 0
    assert failed == sum(line.startswith(f"FAIL {kind} ") for line in lines) > 0


def test_a_part_that_is_not_known_is_wrong_usage():
    result = run("selftest", "--only", "everything")
    assert result.returncode == 2
    assert "operators" in result.stderr
