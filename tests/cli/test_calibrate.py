"""`spotter calibrate` and int8: what it writes, what int8 then finds, and when int8 is refused."""

import json
import shutil

import pytest
from conftest import ROOT

SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
WEIGHTS = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
COMMAND = "make it with: spotter calibrate --model nanodet-m-320=WEIGHTS --images FOLDER"


@pytest.fixture(scope="session")
def calibrated(run_spotter, tmp_path_factory):
    """A copy of the bundled weights with the calibration beside it; and what was printed."""
    folder = tmp_path_factory.mktemp("calibrated")
    weights = folder / "codes.safetensors"
    shutil.copy(WEIGHTS, weights)
    pictures = folder / "pictures"
    pictures.mkdir()
    shutil.copy(SAMPLE, pictures / "one.JPG")
    (pictures / "notes.txt").write_text("no picture")
    result = run_spotter("calibrate", "--model", f"nanodet-m-320={weights}", "--images", pictures)
    assert result.returncode == 0, result.stderr
    return weights, folder / "codes.int8.json", result.stdout, pictures


def detect(spotter, weights, *words):
    return spotter("detect", "--model", f"nanodet-m-320={weights}", *words, SAMPLE)


def test_the_calibration_lies_beside_the_weights_and_says_what_was_measured(calibrated):
    _, path, printed, _ = calibrated
    written = json.loads(path.read_text())
    assert written["version"] == 1 and written["detector"] == "nanodet-m-320"
    assert written["weights"].startswith("sha256:") and written["pictures"] == 1
    assert written["measured"]["figure"] == "agreement" and written["measured"]["pictures"] == 1
    assert written["measured"]["int8"] >= 0.8
    assert f"agreement {written['measured']['int8']:.4f}" in printed
    assert len(written["ranges"]) > 80
    assert all(low <= 0 <= high for low, high in written["ranges"].values())


def test_int8_finds_what_f32_finds(spotter, calibrated):
    weights = calibrated[0]
    exact = detect(spotter, weights, "--precision", "f32", "--json")
    quantised = detect(spotter, weights, "--precision", "int8", "--json", "--backend", "cpu")
    assert quantised.returncode == 0, quantised.stderr
    before = json.loads(exact.stdout)["detections"]
    after = json.loads(quantised.stdout)["detections"]
    assert len(before) >= 4
    for expected in before:
        assert any(
            found["label"] == expected["label"]
            and abs(found["confidence"] - expected["confidence"]) < 0.15
            and all(abs(found["box"][k] - v) < 12 for k, v in expected["box"].items())
            for found in after
        ), expected
    assert before != after  # it is another arithmetic


def test_pictures_in_which_nothing_is_found_measure_nothing(spotter, calibrated, tmp_path):
    weights, _, _, _ = calibrated
    out = tmp_path / "nothing.json"
    result = spotter(
        *("calibrate", "--model", f"nanodet-m-320={weights}", "--images", calibrated[3], "--out", out, "--confidence", "1")
    )
    assert result.returncode != 0
    assert "finds nothing in these pictures" in result.stderr and "lower --confidence" in result.stderr
    assert not out.exists()


def test_every_run_writes_the_same(spotter, calibrated, tmp_path):
    weights, path, _, pictures = calibrated
    out = tmp_path / "again.json"
    result = spotter(
        *("calibrate", "--model", f"nanodet-m-320={weights}", "--images", pictures, "--out", out)
    )
    assert result.returncode == 0, result.stderr
    assert out.read_text() == path.read_text()


def test_average_precision_is_compared_where_there_are_annotations(spotter, calibrated, tmp_path):
    weights, _, _, pictures = calibrated
    found = json.loads(detect(spotter, weights, "--precision", "f32", "--json").stdout)
    names = sorted({item["label"] for item in found["detections"]})
    annotations = {
        "images": [{"id": 1, "file_name": "one.JPG"}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {
                "id": i,
                "image_id": 1,
                "category_id": names.index(item["label"]),
                "bbox": [
                    item["box"]["x_min"],
                    item["box"]["y_min"],
                    item["box"]["x_max"] - item["box"]["x_min"],
                    item["box"]["y_max"] - item["box"]["y_min"],
                ],
            }
            for i, item in enumerate(found["detections"])
        ],
    }
    path, out = tmp_path / "annotations.json", tmp_path / "out.json"
    path.write_text(json.dumps(annotations))
    result = spotter(
        *("calibrate", "--model", f"nanodet-m-320={weights}", "--images", pictures),
        *("--annotations", path, "--out", out),
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads(out.read_text())["measured"]
    assert measured["figure"] == "AP" and measured["f32"] > 0.9 and measured["int8"] > 0.7
    drop = measured["f32"] - measured["int8"]
    assert f"AP f32 {measured['f32']:.4f} int8 {measured['int8']:.4f} drop {drop:.4f}\n" in (
        result.stdout
    )


@pytest.mark.parametrize("command", ["detect", "serve", "bench"])
def test_int8_without_a_calibration_is_refused_with_the_command_that_makes_it(
    spotter, tmp_path, command
):
    weights = tmp_path / "codes.safetensors"
    shutil.copy(WEIGHTS, weights)
    words = [command, "--model", f"nanodet-m-320={weights}", "--precision", "int8"]
    more = {"detect": [SAMPLE], "serve": ["--listen", "127.0.0.1:0"], "bench": []}
    result = spotter(*words, *more[command])
    assert result.returncode == 1
    expected = f"'{tmp_path / 'codes.int8.json'}' is not there; {COMMAND}"
    assert result.stderr.count(expected) == 1


def test_a_calibration_of_other_weights_is_refused(spotter, calibrated, tmp_path):
    weights = tmp_path / "other.safetensors"
    content = bytearray(WEIGHTS.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    result = detect(spotter, weights, "--precision", "int8", "--calibration", calibrated[1])
    assert result.returncode == 1
    assert f"was made for other weights; {COMMAND}" in result.stderr


def test_a_calibration_of_another_detector_is_refused(spotter, calibrated, tmp_path):
    weights, path = calibrated[:2]
    other = tmp_path / "other.json"
    other.write_text(path.read_text().replace("nanodet-m-320", "nanodet-m-416"))
    result = detect(spotter, weights, "--precision", "int8", "--calibration", other)
    assert result.returncode == 1
    assert f"was made for another detector; {COMMAND}" in result.stderr


FAULTS = [
    (lambda c: c.pop("measured"), '"measured" is missing or not an object: what int8 costs'),
    (lambda c: c["measured"].pop("int8"), '"int8" is missing or not a number from 0 to 1'),
    (lambda c: c.update(version=2), '"version" is missing or not 1'),
    (lambda c: c.pop("weights"), '"weights" is missing or not a text'),
    (lambda c: c.update(pictures=0), '"pictures" is missing or not a whole number above 0'),
    (lambda c: c.pop("ranges"), '"ranges" is missing or not an object'),
    (lambda c: c["ranges"].update(x=[1, 2]), '"x" is missing or not a pair of numbers around 0'),
    (lambda c: c["ranges"].update(x=[0, 1e60]), '"x" is missing or not a pair of numbers'),
    (lambda c: c["ranges"].update(x=[-3e38, 3e38]), '"x" is missing or not a pair of numbers'),
    (lambda c: c["ranges"].clear(), "the calibration has no range of 'pool2d:0'"),
]


@pytest.mark.parametrize("change,expected", FAULTS, ids=[expected for _, expected in FAULTS])
def test_a_fault_in_a_calibration_is_named(spotter, calibrated, tmp_path, change, expected):
    weights, path = calibrated[:2]
    content = json.loads(path.read_text())
    change(content)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content))
    result = detect(spotter, weights, "--precision", "int8", "--calibration", broken)
    assert result.returncode == 1 and expected in result.stderr


def test_a_calibration_that_is_no_json_is_named(spotter, calibrated, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    result = detect(spotter, calibrated[0], "--precision", "int8", "--calibration", broken)
    assert result.returncode == 1 and f"calibration '{broken}':" in result.stderr


def test_a_folder_without_pictures_is_an_error(spotter, tmp_path):
    result = spotter("calibrate", "--images", tmp_path)
    assert result.returncode == 1 and "holds no JPEG, PNG or WebP" in result.stderr
    result = spotter("calibrate", "--images", tmp_path / "missing")
    assert result.returncode == 1 and "cannot be read" in result.stderr


def test_a_picture_that_cannot_be_decoded_is_named(spotter, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    result = spotter("calibrate", "--images", tmp_path, "--out", tmp_path / "out.json")
    assert result.returncode == 1 and "broken.jpg" in result.stderr
    assert not (tmp_path / "out.json").exists()


def test_what_cannot_be_written_or_read_is_told_before_anything_is_measured(spotter, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    result = spotter("calibrate", "--images", tmp_path, "--out", tmp_path / "no" / "out.json")
    assert result.returncode == 1 and "no/out.json' cannot be written" in result.stderr
    words = ("--images", tmp_path, "--out", tmp_path / "out.json", "--annotations", tmp_path / "none.json")
    result = spotter("calibrate", *words)
    assert result.returncode == 1 and "none.json" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["broken.jpg"]


@pytest.mark.parametrize("words", [[], ["--images"], ["x"], ["--pictures", "-1", "--images", "x"]])
def test_wrong_usage_exits_with_2(spotter, words):
    result = spotter("calibrate", *words)
    assert result.returncode == 2 and result.stdout == ""
