"""`spotter bench`: the form of its lines, and that it measures what happens."""

import array
import json
import re

import pytest
from conftest import ROOT

SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
LINE = re.compile(
    r"(\S+) (\S+) (f32|bf16|f16) batch (\d+) threads (\d+): ([\d.]+) ms/image ([\d.]+) images/s(.*)"
)


def measured(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["results"]


def test_a_line_for_each_batch_size_and_number_of_threads(spotter):
    words = ("--backend", "null", "--batch", "1,8", "--threads", "1,2", "--seconds", "0.05")
    result = spotter("bench", "--model", "nanodet-m-320", *words)
    assert result.returncode == 0, result.stderr
    lines = [LINE.fullmatch(line).groups() for line in result.stdout.splitlines()]
    assert [line[:5] for line in lines] == [
        ("nanodet-m-320", "null", "f32", batch, threads)
        for batch in ("1", "8")
        for threads in ("1", "2")
    ]
    assert {line[7] for line in lines} == {""}


def test_a_device_that_takes_20_ms_a_batch_is_measured_so(spotter):
    words = ("--backend", "null", "--backend-settings", "delay_us=20000", "--seconds", "0.5")
    one, four = measured(spotter("bench", *words, "--batch", "1,4", "--json"))
    for result, batch in ((one, 1), (four, 4)):
        assert 20 / batch <= result["ms_per_image"]["median"] < 40 / batch
        assert result["ms_per_image"]["p10"] <= result["ms_per_image"]["median"]
        assert 25 * batch < result["images_per_second"] <= 50 * batch
        assert result["images"] >= 3 * batch


def test_threads_compute_at_the_same_time(spotter):
    words = ("--backend", "null", "--backend-settings", "delay_us=20000", "--seconds", "0.5")
    one, two = measured(spotter("bench", *words, "--threads", "1,2", "--json"))
    assert two["images_per_second"] > 1.5 * one["images_per_second"]


def test_decoding_takes_time_that_is_counted(spotter):
    words = ("bench", "--backend", "null", "--seconds", "0.2", "--json")
    (without,) = measured(spotter(*words))
    (included,) = measured(spotter(*words, "--decode", SAMPLE))
    assert (without["measured"], included["measured"]) == ("detect", "decode+detect")
    assert included["ms_per_image"]["median"] > without["ms_per_image"]["median"] + 0.5


@pytest.mark.parametrize("model", ["nanodet-m-416", "rfsong-779"])
def test_detectors_without_weights_are_measured_with_made_ones(spotter, model):
    (result,) = measured(
        spotter("bench", "--model", model, "--seconds", "0.01", "--network", "--json")
    )
    assert result["weights"] is None
    assert result["measured"] == "network"
    assert result["images"] >= 3


def test_bundled_weights_are_used_where_there_are_some(spotter):
    (result,) = measured(spotter("bench", "--backend", "null", "--seconds", "0.01", "--json"))
    assert result["weights"].endswith(".safetensors")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--batch", "0"], '--batch: found "0"'),
        (["--batch", "1,65"], "from 1 to 64"),
        (["--threads", "1;2"], '--threads: found "1;2"'),
        (["--threads", ""], "--threads"),
        (["--seconds", "0"], "--seconds"),
        (["--network", "--decode", "x.jpg"], "do not go together"),
        (["--outputs", "x.safetensors"], "goes with --network"),
    ],
)
def test_wrong_usage_exits_with_2(spotter, words, message):
    result = spotter("bench", *words)
    assert result.returncode == 2
    assert message in result.stderr


def read_safetensors(path):
    """name -> shape and values"""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:begin]).items():
        first, last = (begin + offset for offset in entry["data_offsets"])
        tensors[name] = entry["shape"], array.array("f", data[first:last])
    return tensors


def test_outputs_of_a_network_are_written_with_their_input(spotter, tmp_path):
    words = ("bench", "--model", "light-head-rcnn-s", "--variant", "canvas=320x192", "--network", "--backend", "cpu")
    result = spotter(*words, "--outputs", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    tensors = read_safetensors(tmp_path / "out")
    shape, values = tensors["input"]
    assert shape == [1, 3, 192, 320] and len(values) == 3 * 192 * 320
    assert -2 <= min(values) < -1.9 and 1.9 < max(values) <= 2
    shape, values = tensors["thin"]
    assert shape == [1, 490, 6, 10] and min(values) >= 0 and max(values) > 0.1
    assert {"rpn.cls", "rpn.bbox", "proposals", "rcnn.cls", "rcnn.bbox"} < set(tensors)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--network", "--outputs", "no/such/folder"], "no/such/folder' cannot be written"),
        (["--model", "no-such-detector"], "no-such-detector"),
        (["--decode", "missing.jpg"], "missing.jpg: cannot be read"),
        (["--model", "nanodet-m-320=missing.safetensors"], "missing.safetensors"),
        (["--backend", "reference", "--precision", "bf16"], "bf16"),
    ],
)
def test_what_cannot_be_measured_is_a_failure(spotter, words, message):
    result = spotter("bench", *words)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stdout == ""


def test_steps_name_their_kernels_and_count_all_the_work(spotter):
    words = ("bench", "--backend", "cpu", "--precision", "f32", "--steps", "--seconds", "0.1", "--json")
    model = "yolov5-shufflenetv2-320"
    (result,) = measured(spotter(*words, "--model", model))
    steps = result["steps"]
    (listed,) = (m for m in json.loads(spotter("models", "--json").stdout) if m["name"] == model)
    assert sum(step["macs"] for step in steps) == listed["macs"]
    assert steps[0]["operator"] == "preprocess" and steps[-1]["operator"] == "nms"
    assert all(step["bytes"] > 0 and 0 <= step["ms"]["p10"] <= step["ms"]["median"] for step in steps)
    assert "conv1x1" in {step["kernel"] for step in steps}


def test_steps_are_printed_with_their_sum(spotter):
    result = spotter("bench", "--backend", "cpu", "--steps", "--seconds", "0.1")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split()[:4] == ["ms", "share", "MMACs", "KiB"]
    assert re.fullmatch(r" *[\d.]+ in (\d+) steps", lines[-1])[1] == str(len(lines) - 3)


def test_a_backend_that_cannot_time_its_steps_says_so(spotter):
    result = spotter("bench", "--backend", "null", "--steps")
    assert result.returncode == 1
    assert "backend null does not time its steps" in result.stderr


def test_steps_go_with_no_other_measurement(spotter):
    result = spotter("bench", "--steps", "--network")
    assert result.returncode == 2
    assert "--steps" in result.stderr
