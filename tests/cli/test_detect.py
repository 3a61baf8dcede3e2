"""`spotter detect`: what is printed, drawn and refused. The scalar backend computes: 2 s a picture."""

import json
import struct

import pytest
from conftest import ROOT

SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
QUICK = ("--backend", "null")  # computes nothing, finds nothing


@pytest.fixture(scope="session")
def found(run_spotter):
    """What the bundled model finds in the sample picture."""
    result = run_spotter("detect", "--backend", "reference", "--json", SAMPLE)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_bundled_model_finds_the_codes_of_the_sample(found):
    best = {}
    for item in found["detections"]:
        best[item["label"]] = max(best.get(item["label"], 0), item["confidence"])
    assert {"qr", "aztec", "data_matrix", "linear"} <= set(best)
    assert min(best[label] for label in ("qr", "aztec", "data_matrix", "linear")) > 0.7


def test_json_is_what_the_server_answers(found):
    assert found["model"]["name"] == "codes"
    assert found["model"]["detector"] == "nanodet-m-320"
    assert found["model"]["digest"].startswith("sha256:")
    assert found["backend"] == "reference"
    assert found["image"] == {"width": 960, "height": 720, "format": "jpeg"}
    assert found["count"] == len(found["detections"])
    confidences = [item["confidence"] for item in found["detections"]]
    assert confidences == sorted(confidences, reverse=True)
    for item in found["detections"]:
        box = item["box"]
        assert 0 <= box["x_min"] < box["x_max"] <= 960
        assert 0 <= box["y_min"] < box["y_max"] <= 720


def test_plain_output_is_a_line_for_each_detection(spotter, found, tmp_path):
    drawn = tmp_path / "drawn.png"
    result = spotter(
        "detect", "--backend", "reference", "--confidence", "0.85", "--annotate", drawn, SAMPLE
    )
    kept = [item for item in found["detections"] if item["confidence"] >= 0.85]
    lines = result.stdout.splitlines()
    assert len(lines) == len(kept) > 0
    for line, item in zip(lines, kept):
        assert line.startswith(f"{SAMPLE}: {item['label']} {item['confidence']:.4f}, x ")
    # the same call drew the picture
    data = drawn.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (960, 720)


def test_a_picture_without_objects_says_so(spotter):
    result = spotter("detect", *QUICK, SAMPLE)
    assert (result.returncode, result.stdout) == (0, f"{SAMPLE}: nothing found\n")


def test_bad_pictures_are_reported_and_the_others_go_on(spotter, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(SAMPLE.read_bytes()[:20000])
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    result = spotter("detect", *QUICK, text, SAMPLE, cut, "missing.png", SAMPLE)
    assert result.returncode == 1
    assert result.stdout == f"{SAMPLE}: nothing found\n" * 2
    errors = result.stderr.splitlines()
    assert len(errors) == 3
    assert errors[0].startswith(f"spotter: {text}: ") and "JPEG, PNG and WebP" in errors[0]
    assert errors[1].startswith(f"spotter: {cut}: ")
    assert errors[2] == "spotter: missing.png: cannot be read: No such file or directory"


def test_json_for_several_pictures_is_a_list_in_their_order(spotter):
    result = spotter("detect", *QUICK, "--json", SAMPLE, "missing.png")
    assert result.returncode == 1
    first, second = json.loads(result.stdout)["results"]
    assert first["id"] == str(SAMPLE) and first["count"] == 0
    assert second["id"] == "missing.png" and "cannot be read" in second["error"]["message"]


def test_a_picture_may_come_from_standard_input(spotter):
    with open(SAMPLE, "rb") as picture:
        result = spotter("detect", *QUICK, "-", stdin=picture)
    assert (result.returncode, result.stdout) == (0, "-: nothing found\n")


def test_pixels_beyond_the_limit_are_refused(spotter):
    result = spotter("detect", *QUICK, "--limits-pixels", "1000", SAMPLE)
    assert result.returncode == 1
    assert "960" in result.stderr and "720" in result.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "something is missing: spotter detect [OPTION]... IMAGE..."),
        (["--annotate", "x.gif", SAMPLE], 'found "x.gif", expected a name that ends in .png'),
        (["--annotate", "x.png", SAMPLE, SAMPLE], "--annotate takes one picture"),
        (["--model", "nanodet-m-320", "--model", "nanodet-m-416", SAMPLE], "takes one --model"),
        (["--confidence", "2", SAMPLE], "--confidence"),
    ],
)
def test_wrong_usage_exits_with_2(spotter, words, message):
    result = spotter("detect", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_detector_without_weights_asks_for_a_file(spotter):
    result = spotter("detect", *QUICK, "--model", "nanodet-m-416", SAMPLE)
    assert result.returncode == 1
    assert "nanodet-m-416" in result.stderr and ".safetensors" in result.stderr


def test_weights_that_are_refused_are_named_by_their_file(spotter, tmp_path):
    whole = (ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:100000])
    result = spotter("detect", *QUICK, "--model", "nanodet-m-320=cut.safetensors", SAMPLE)
    assert result.returncode == 1
    assert result.stderr.startswith("spotter: weights 'cut.safetensors': tensor '")
    assert "is it truncated?" in result.stderr


def test_labels_that_say_otherwise_than_the_weights_are_not_used_with_a_warning(spotter, tmp_path):
    (tmp_path / "others.txt").write_text("a\nb\nc\nd\ne\n")
    result = spotter("detect", *QUICK, "--labels", "others.txt", SAMPLE)
    assert result.returncode == 0
    assert result.stderr == "spotter: labels 'others.txt' are not used: the weights name their classes\n"
    (tmp_path / "same.txt").write_text("qr\ndata_matrix\naztec\npdf417\nlinear\n")
    assert spotter("detect", *QUICK, "--labels", "same.txt", SAMPLE).stderr == ""


def test_an_annotated_picture_that_cannot_be_written_fails(spotter):
    result = spotter("detect", *QUICK, "--annotate", "/no/such/folder/x.png", SAMPLE)
    assert result.returncode == 1
    assert "/no/such/folder/x.png" in result.stderr


def test_a_reduced_picture_gives_boxes_in_pixels_of_the_whole_one(spotter, found):
    result = spotter("detect", "--backend", "reference", "--reduced-decoding", "--json", SAMPLE)
    assert result.returncode == 0, result.stderr
    reduced = json.loads(result.stdout)
    assert reduced["image"] == found["image"]
    assert reduced["detections"] != found["detections"], "the picture was decoded in full"
    for item in (item for item in found["detections"] if item["confidence"] > 0.7):
        twins = [other for other in reduced["detections"] if other["label"] == item["label"]]
        gaps = [max(abs(other["box"][side] - item["box"][side]) for side in item["box"]) for other in twins]
        assert gaps and min(gaps) < 10
