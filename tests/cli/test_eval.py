"""`spotter eval`: figures on the sample picture, on real annotated pictures where there are some."""

import json
import os
import pathlib

import pytest
from conftest import ROOT

SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", ROOT.parent / "shared"))
SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "VOC11"]
CONFIDENCE = "0.6"


def figures(result):
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    assert words[0::2] == NAMES
    return dict(zip(words[0::2], words[1::2]))


@pytest.fixture(scope="session")
def annotated(run_spotter, tmp_path_factory):
    """The sample picture and annotations that are just what the bundled model finds in it."""
    result = run_spotter("detect", "--json", "--confidence", CONFIDENCE, SAMPLE)
    assert result.returncode == 0, result.stderr
    labels = ["linear", "pdf417", "aztec", "data_matrix", "qr"]
    annotations = {
        "images": [{"id": 5, "file_name": SAMPLE.name}],
        "categories": [{"id": 10 * i, "name": label} for i, label in enumerate(labels)],
        "annotations": [],
    }
    for number, item in enumerate(json.loads(result.stdout)["detections"]):
        box = item["box"]
        annotations["annotations"].append(
            {
                "id": number,
                "image_id": 5,
                "category_id": 10 * labels.index(item["label"]),
                "bbox": [
                    box["x_min"],
                    box["y_min"],
                    box["x_max"] - box["x_min"],
                    box["y_max"] - box["y_min"],
                ],
            }
        )
    assert len(annotations["annotations"]) >= 4
    path = tmp_path_factory.mktemp("annotated") / "annotations.json"
    path.write_text(json.dumps(annotations))
    return path, annotations


def words_for(path):
    return ("eval", "--images", SAMPLE.parent, "--annotations", path)


def test_a_model_that_finds_everything_scores_1(spotter, annotated):
    found = figures(spotter(*words_for(annotated[0]), "--confidence", CONFIDENCE))
    assert found["AP"] == found["AP50"] == found["VOC11"] == "1.0000"
    assert found["APs"] == "-"  # there is no small object


def test_a_backend_that_finds_nothing_scores_0(spotter, annotated):
    found = figures(spotter(*words_for(annotated[0]), "--backend", "null"))
    assert found["AP"] == found["VOC11"] == "0.0000"


def test_json_has_figures_of_each_class(spotter, annotated):
    result = spotter(*words_for(annotated[0]), "--confidence", CONFIDENCE, "--json")
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["pictures"] == 1
    assert printed["mean"]["AP"] == 1
    assert printed["mean"]["APs"] is None
    assert printed["classes"]["qr"]["objects"] == 1
    assert printed["confidence"] == pytest.approx(float(CONFIDENCE))


def test_results_are_what_was_found_in_the_categories_of_the_file(spotter, annotated, tmp_path):
    out = tmp_path / "results.json"
    figures(spotter(*words_for(annotated[0]), "--confidence", CONFIDENCE, "--results", out))
    results = json.loads(out.read_text())
    assert {item["image_id"] for item in results} == {5}
    scores = [item["score"] for item in results]
    assert scores == sorted(scores, reverse=True)
    # one place may report several classes here, so there can be more than `detect` finds
    for expected in annotated[1]["annotations"]:
        assert any(
            item["category_id"] == expected["category_id"]
            and item["bbox"] == pytest.approx(expected["bbox"], abs=0.02)
            for item in results
        )


def test_pictures_without_objects_may_be_left_out(spotter, annotated, tmp_path):
    path = tmp_path / "more.json"
    more = json.loads(json.dumps(annotated[1]))
    more["images"].append({"id": 6, "file_name": "missing.jpg"})
    path.write_text(json.dumps(more))
    words = (*words_for(path), "--backend", "null")
    result = spotter(*words)
    assert result.returncode == 1 and "missing.jpg: cannot be read" in result.stderr
    figures(spotter(*words, "--only-with-objects"))
    figures(spotter(*words, "--limit", "1"))


def test_categories_of_other_names_are_matched_by_their_order(spotter, annotated, tmp_path):
    path = tmp_path / "renamed.json"
    renamed = json.loads(json.dumps(annotated[1]))
    for category in renamed["categories"]:
        category["name"] = "thing " + category["name"]
    path.write_text(json.dumps(renamed))
    # the order of the file is not that of the model's classes, so boxes are right and kinds wrong
    found = figures(spotter(*words_for(path), "--confidence", CONFIDENCE))
    assert float(found["AP"]) < 0.5


def test_categories_without_a_class_are_an_error(spotter, annotated, tmp_path):
    path = tmp_path / "other.json"
    other = json.loads(json.dumps(annotated[1]))
    other["categories"] = [{"id": 10 * i, "name": f"thing {i}"} for i in range(6)]
    path.write_text(json.dumps(other))
    result = spotter(*words_for(path), "--backend", "null")
    assert result.returncode == 1
    assert "no category has the name of a class" in result.stderr


def test_a_fault_in_the_annotations_is_named(spotter, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"images": [{"id": 1}]}')
    result = spotter(*words_for(path), "--backend", "null")
    assert result.returncode == 1
    assert str(path) in result.stderr and 'images[0]: "file_name"' in result.stderr


@pytest.mark.parametrize("words", [[], ["--images", "x"], ["--annotations", "x"], ["x"]])
def test_wrong_usage_exits_with_2(spotter, words):
    result = spotter("eval", *words)
    assert result.returncode == 2 and result.stdout == ""


@pytest.fixture(scope="session")
def forty_pictures(run_spotter, tmp_path_factory):
    """NanoDet-m-320 on the first 40 of the COCO pictures."""
    folder = SHARED / "eval" / "coco-val-240"
    weights = SHARED / "weights" / "nanodet-m-320.safetensors"
    if not folder.is_dir() or not weights.is_file():
        pytest.skip(f"no annotated pictures in {SHARED}")
    out = tmp_path_factory.mktemp("results") / "results.json"
    result = run_spotter(
        *("eval", "--model", f"nanodet-m-320={weights}", "--images", folder / "images"),
        *("--annotations", folder / "annotations.json", "--limit", "40", "--precision", "f32"),
        *("--results", out, "--json"),
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), folder / "annotations.json", out


def test_real_pictures_give_the_accuracy_that_was_measured_before(forty_pictures):
    mean = forty_pictures[0]["mean"]
    assert mean["objects"] == 320
    assert mean["AP"] == pytest.approx(0.3155, abs=0.004)
    assert mean["AP50"] == pytest.approx(0.4832, abs=0.006)


def test_pycocotools_computes_the_same_from_the_results(forty_pictures):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    printed, annotations, results = forty_pictures
    truth = coco.COCO(str(annotations))
    ev = cocoeval.COCOeval(truth, truth.loadRes(str(results)), "bbox")
    ev.params.imgIds = sorted(truth.getImgIds())[:40]
    ev.evaluate()
    ev.accumulate()
    ev.summarize()
    for name, expected in zip(NAMES, ev.stats[:6]):
        assert printed["mean"][name] == pytest.approx(expected, abs=1e-8), name
