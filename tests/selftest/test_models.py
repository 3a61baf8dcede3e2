"""`spotter selftest` of the models: every family on the CPU, beside the scalar reference."""

import json

import pytest
from program import run


@pytest.fixture(scope="module")
def models():
    result = run("selftest", "--backend", "cpu", "--only", "models", "--json", timeout=1700)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout)["checks"]


def test_no_model_differs_from_the_reference(models):
    assert [check for check in models if check["verdict"] == "FAIL"] == []


@pytest.mark.parametrize("kind", ["model", "batches"])
def test_every_family_is_among_the_checks(models, kind):
    listed = json.loads(run("models", "--json").stdout)
    passed = [c["subject"] for c in models if c["kind"] == kind and c["verdict"] == "PASS"]
    for family in {model["family"] for model in listed}:
        assert any(subject.startswith(family) for subject in passed), family
