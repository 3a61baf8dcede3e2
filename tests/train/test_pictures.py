"""Generated pictures: repeatable, and their boxes lie where the codes are."""

import json
import random

import cv2
import numpy as np
import pytest

import codes
import detectors
import scene
import shards
import sticker
from conftest import run

MAGENTA = (255, 0, 255)


def magenta(picture):
    return (picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] > 200)


def bounds(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.fixture(scope="module")
def sources(made):
    return scene.Sources(made / "codes", made / "photos")


def test_every_class_is_rendered_and_its_area_begins_and_ends_with_ink(made, sources):
    for label, rows in enumerate(sources.codes):
        assert rows, codes.CLASSES[label]
        for row in rows:
            left, top, right, bottom = row["box"]
            dark = row["picture"][top:bottom, left:right] < 128
            assert dark[:, 0].any() and dark[:, -1].any() and dark[0].any() and dark[-1].any(), row["file"]


def test_digits_below_a_linear_code_are_not_of_its_area():
    page = np.full((60, 100), 255, np.uint8)
    page[5:40, 10:90:4] = 0
    page[45:55, 20:30] = 0  # a digit
    assert codes.area(page, codes.LINEAR) == [10, 5, 87, 40]
    assert codes.area(page, codes.QR) == [10, 5, 87, 55]


def test_the_same_seed_gives_the_same_picture_and_another_another(sources):
    first, boxes = scene.compose(12, sources, 200, 160)
    again, same = scene.compose(12, sources, 200, 160)
    other, _ = scene.compose(13, sources, 200, 160)
    assert first.shape == (160, 200, 3)
    assert np.array_equal(first, again) and boxes == same
    assert not np.array_equal(first, other)


def test_boxes_are_the_bounds_of_what_was_painted(sources, monkeypatch):
    """Every code is a solid magenta area without margin: its box is where magenta is, to two pixels."""

    def solid(_r, code):
        left, top, right, bottom = code["box"]
        return np.zeros((bottom - top, right - left), np.uint8), np.array([0, 0, right - left, bottom - top], np.float32)

    def painted(_r, grey):
        return np.full((*grey.shape, 3), MAGENTA, np.uint8), np.full(grey.shape, 255, np.uint8), MAGENTA, MAGENTA

    monkeypatch.setattr(sticker, "trimmed", solid)
    monkeypatch.setattr(sticker, "inked", painted)
    monkeypatch.setattr(sticker, "labelled", lambda _r, picture, alpha, _d, _l: (picture, alpha, (0, 0)))
    monkeypatch.setattr(sticker, "folded", lambda _r, picture: picture)
    checked = cut = 0
    for seed in range(60):
        drawn = scene.Scene(random.Random(seed), sources, 320, 240)
        drawn.picture = np.full((240, 320, 3), 128, np.uint8)
        if not drawn.add_code(random.Random(seed).uniform(40, 300)):
            continue
        box = np.array(drawn.boxes[0][:4])
        assert np.abs(bounds(magenta(drawn.picture)) - box).max() <= 2.5, seed
        checked += 1
        cut += box[0] == 0 or box[1] == 0 or box[2] == 320 or box[3] == 240
    assert checked >= 20 and cut >= 1


def test_limits_are_those_of_what_a_detector_sees_of_the_picture(sources):
    """At twice the side codes are twice as long at least."""
    side = 2 * scene.SIDE
    lengths = []
    for seed in range(60):
        _, boxes = scene.compose(seed, sources, side, side)
        for x1, y1, x2, y2, _label in boxes:
            if x1 > 0 and y1 > 0 and x2 < side and y2 < side:  # the frame may cut others
                lengths.append(max(x2 - x1, y2 - y1))
    assert len(lengths) > 30 and min(lengths) >= 2 * scene.SHORTEST


def test_codes_keep_apart(sources):
    for seed in range(40):
        _, boxes = scene.compose(seed, sources, 300, 300)
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


@pytest.mark.parametrize("detector", detectors.DETECTORS)
def test_views_carry_their_boxes_with_them(detector):
    """A white rectangle on black: after crop, scale, mirror and turn its box still is where white is."""
    rng, seen = np.random.default_rng(3), 0
    for _ in range(200):
        picture = np.zeros((352, 352, 3), np.uint8)
        x1, y1 = rng.integers(20, 180, 2)
        x2, y2 = x1 + rng.integers(40, 150), y1 + rng.integers(40, 150)
        picture[y1:y2, x1:x2] = 255
        view, boxes = shards.sample(rng, picture, np.array([[x1, y1, x2, y2, 3]], np.float32), 192,
                                    detectors.DETECTORS[detector].letterbox)
        assert view.shape == (192, 192, 3)
        if len(boxes):
            assert np.abs(bounds(view.max(2) > 128) - boxes[0, :4]).max() <= 2
            assert boxes[0, 4] == 3
            seen += 1
    assert seen > 150


def test_pictures_for_measuring_come_with_annotations(made, tmp_path):
    run("generate.py", made / "codes", made / "photos", tmp_path, "--eval", 6, "--seed", 900)
    truth = json.loads((tmp_path / "annotations.json").read_text())
    assert [c["name"] for c in truth["categories"]] == codes.CLASSES
    for row in truth["images"]:
        assert cv2.imread(str(tmp_path / "images" / row["file_name"])).shape == (row["height"], row["width"], 3)
    sizes = {row["id"]: row for row in truth["images"]}
    for row in truth["annotations"]:
        x, y, width, height = row["bbox"]
        picture = sizes[row["image_id"]]
        assert x >= 0 and y >= 0 and x + width <= picture["width"] + 0.01 and y + height <= picture["height"] + 0.01


def test_an_interrupted_generation_goes_on(made, tmp_path):
    arguments = (made / "codes", made / "photos", tmp_path, "--shard-pictures", 4, "--seed", 7)
    run("generate.py", *arguments, "--shards", 1)
    first = (tmp_path / "pictures-00007.npy").stat().st_mtime_ns
    run("generate.py", *arguments, "--shards", 2)
    assert (tmp_path / "pictures-00007.npy").stat().st_mtime_ns == first
    assert len(shards.Shards(tmp_path).places) == 8
