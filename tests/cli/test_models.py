"""`spotter models`: names, sizes, and costs as the papers and the detectors' authors state them."""

import json
import struct

import pytest
from conftest import ROOT

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
    assert any("941,818      342,223,200" in line for line in lines)


def test_an_argument_is_wrong_usage(spotter):
    result = spotter("models", "nanodet-m-320")
    assert result.returncode == 2
    assert "unexpected argument" in result.stderr


BUNDLED = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"


def header(path):
    """The tensors of a safetensors file: name -> shape."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return {name: entry["shape"] for name, entry in entries.items()}


def tensors(spotter, *words):
    result = spotter("models", "--tensors", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_tensors_listed_are_those_of_a_file_that_loads(spotter):
    found = tensors(spotter, "nanodet-m-320", "--weights", BUNDLED)
    assert {t["name"]: t["shape"] for t in found["tensors"]} == header(BUNDLED)
    assert found["classes"] == header(BUNDLED)["head.gfl_cls.0.bias"][0] - 32
    assert {layer["name"] + ".weight" for layer in found["layers"]} == {
        name for name, shape in header(BUNDLED).items() if len(shape) == 4
    }


def test_without_a_file_the_classes_are_the_defaults(spotter):
    found = tensors(spotter, "nanodet-m-320")
    assert (found["detector"], found["classes"]) == ("nanodet-m-320", 80)
    shapes = {t["name"]: t["shape"] for t in found["tensors"]}
    assert shapes["head.gfl_cls.2.weight"] == [112, 96, 1, 1]


def test_layers_say_which_layers_feed_them(spotter):
    layers = {layer["name"]: layer for layer in tensors(spotter, "rfsong-779")["layers"]}
    first = layers["base.conv1_1.conv"]
    assert (first["operator"], first["after"]) == ("conv2d", [])
    assert (first["norm"], round(first["epsilon"], 9)) == ("base.conv1_1.bn", 1e-5)
    assert layers["base.conv4_3.ConvLinear.conv"]["after"] == [
        f"base.conv4_3.branch{branch}.conv" for branch in ("0.2", "1.2", "2.3")
    ]
    assert "norm" not in layers["loc.0"]


def test_the_tensors_of_a_file_of_another_detector_are_refused(spotter):
    result = spotter("models", "--tensors", "rfsong-779", "--weights", BUNDLED)
    assert result.returncode == 1
    assert "the tensor that tells the classes of detector rfsong-779" in result.stderr


def test_weights_without_tensors_is_wrong_usage(spotter):
    result = spotter("models", "--weights", BUNDLED)
    assert result.returncode == 2
    assert "--weights goes with --tensors" in result.stderr
