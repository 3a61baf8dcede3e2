"""`spotter models`: names, sizes, and costs as the papers and the detectors' authors state them."""

import json

import pytest

# parameters with batch norm folded in, multiply-adds of one picture
FIGURES = {
    "nanodet-m-320": (941818, 342223200),
    "nanodet-m-416": (941818, 578357208),
}


def listed(spotter):
    result = spotter("models", "--json")
    assert result.returncode == 0, result.stderr
    return {model["name"]: model for model in json.loads(result.stdout)}


@pytest.mark.parametrize("name", FIGURES)
def test_a_detector_costs_what_its_specification_says(spotter, name):
    model = listed(spotter)[name]
    assert (model["parameters"], model["macs"]) == FIGURES[name]


def test_the_bundled_model_is_marked(spotter):
    models = listed(spotter)
    assert models["nanodet-m-320"]["weights_included"] is True
    assert models["nanodet-m-416"]["weights_included"] is False
    assert models["nanodet-m-416"]["input"] == {"width": 416, "height": 416}
    assert models["nanodet-m-416"]["classes"] == 80


def test_the_table_has_a_line_for_each_detector_in_aligned_columns(spotter):
    lines = spotter("models").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(listed(spotter))
    end = lines[0].index("MULTIPLY-ADDS") + len("MULTIPLY-ADDS")
    for line in lines[1:]:
        assert line[end - 1].isdigit() and line[end : end + 1] in ("", " ")
    assert "941,818      342,223,200" in lines[1]


def test_an_argument_is_wrong_usage(spotter):
    result = spotter("models", "nanodet-m-320")
    assert result.returncode == 2
    assert "unexpected argument" in result.stderr
