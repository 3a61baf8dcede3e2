"""Light-Head R-CNN in training: regions, both stages' targets, and that spotter computes what torch does."""

import json
import math
import os
import pathlib
import subprocess

import cv2
import numpy as np
import pytest
import torch

import ps_roi
from codes import CLASSES
from conftest import ROOT
from detectors import DETECTORS
from light_head_rcnn import STRIDE, detections
from rcnn_losses import BACKGROUND, OBJECT, answers, draw, first_stage, recall
from regions import anchors, decoded, encoded, overlaps, suppressed
from scene import CODES_MAX
from shards import Shards, sample
from weights import fill, folded, read_safetensors, write_safetensors

PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SHARED = pathlib.Path(os.environ.get("SPOT_SHARED", str(ROOT.parent / "shared")))
GOLDENS = SHARED / "goldens" / "ops"
TWO_STAGE = [name for name in DETECTORS if name.startswith("light-head-rcnn")]
SIDE = 128


def generated_array(entry):
    """An array of a golden file that is described by its generator: splitmix64 seeded by the FNV-1a of its name."""
    mask, seed = (1 << 64) - 1, 0xCBF29CE484222325
    for byte in entry["generator"]["name"].encode():
        seed = ((seed ^ byte) * 0x100000001B3) & mask
    with np.errstate(over="ignore"):
        z = np.arange(1, 1 + np.prod(entry["shape"]), dtype=np.uint64)
        z = np.uint64(seed) + z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    values = ((z >> np.uint64(40)).astype(np.int64) - 2**23) / 2**23 * entry["generator"]["bound"]
    return values.astype(np.float32).reshape(entry["shape"])


@pytest.mark.skipif(not GOLDENS.is_dir(), reason=f"there are no golden files in {GOLDENS}")
@pytest.mark.parametrize("roi", ps_roi.OPERATORS)
def test_regions_are_cut_as_the_operators_reference_values_say(roi):
    case = json.loads((GOLDENS / f"ps_roi_{roi}_lighthead.json").read_text())
    data, rows = generated_array(case["inputs"]["data"]), case["inputs"]["rois"]
    rows = torch.tensor(rows["values"]).view(rows["shape"])
    want = torch.tensor(case["expected"]["output"]["values"]).view(len(rows), ps_roi.THIN)
    of = [rows[:, 0] == n for n in range(len(data))]
    got = ps_roi.OPERATORS[roi](torch.from_numpy(data), [rows[mask, 1:] for mask in of], case["params"]["spatial_scale"])
    assert (got - torch.cat([want[mask] for mask in of])).abs().max() < 5e-5


@pytest.mark.parametrize("roi", ps_roi.OPERATORS)
def test_gradients_of_regions_are_finite_differences(roi):
    torch.manual_seed(1)
    thin = torch.randn(2, ps_roi.THIN, 5, 6, requires_grad=True)
    boxes = [torch.tensor([[3.0, 8.0, 90.0, 70.0], [40.0, 40.0, 41.0, 159.0]]), torch.tensor([[60.0, 9.0, 191.0, 100.0]])]
    weights = torch.randn(3, ps_roi.THIN)

    def total(data):
        return float((ps_roi.OPERATORS[roi](data, boxes, 1 / 32).double() * weights).sum())

    (ps_roi.OPERATORS[roi](thin, boxes, 1 / 32) * weights).sum().backward()
    for _ in range(20):  # the operator is linear, so the step need not be small
        step = torch.zeros_like(thin)
        n, c, y, x = (int(torch.randint(size, ())) for size in thin.shape)
        step[n, c, y, x] = 0.5
        difference = total(thin.detach() + step) - total(thin.detach() - step)
        assert abs(difference - float(thin.grad[n, c, y, x])) < 1e-4
    assert thin.grad.abs().sum() > 0


def test_deltas_lead_back_to_the_box():
    boxes = torch.tensor([[10.0, 20.0, 50.0, 90.0], [0.0, 0.0, 0.0, 0.0]])
    targets = torch.tensor([[12.0, 15.0, 70.0, 77.0], [3.0, 1.0, 9.0, 30.0]])
    assert torch.allclose(decoded(boxes, encoded(boxes, targets)), targets, atol=1e-4)
    assert torch.allclose(decoded(boxes, torch.zeros(2, 4)), boxes)


def test_anchors_are_those_of_the_paper():
    grid = anchors(2, 3, STRIDE)
    assert grid.shape == (2 * 3 * 15, 4)
    assert grid[0].tolist() == [-15, -4, 30, 19] and grid[14].tolist() == [-168, -344, 183, 359]
    assert grid[(1 * 3 + 2) * 15 + 5].tolist() == [-8 + 32, -8 + 16, 23 + 32, 23 + 16]


def test_a_box_that_overlaps_a_better_one_is_dropped():
    boxes = torch.tensor([[0.0, 0, 99, 99], [2, 2, 101, 101], [60, 0, 159, 99], [0, 0, 99, 98]])
    assert suppressed(boxes, 0.7, 10).tolist() == [0, 2]
    assert suppressed(boxes, 0.7, 1).tolist() == [0]
    assert suppressed(boxes[:0], 0.7, 10).tolist() == []


def test_every_code_is_proposed_by_some_anchor_and_the_rest_is_background():
    grid = anchors(12, 12, STRIDE)
    thin = torch.tensor([[20.0, 100.0, 180.0, 110.0], [40.0, 20.0, 100.0, 80.0]])
    which, iou = answers(grid, thin), overlaps(grid, thin)
    assert set(which.tolist()) == {-2, -1, 0, 1}  # also of the first, which no anchor fits
    best = iou.amax(1)
    assert (which[best >= OBJECT] >= 0).all()
    assert ((which == -1) <= (best < BACKGROUND)).all()
    assert (answers(grid, thin[:0]) == -1).all()


def test_a_picture_full_of_code_has_less_background_than_is_asked_for():
    box = torch.tensor([[0.0, 0, 9, 9]])
    code = [torch.tensor([[0.0, 0, 9, 9, 1]])]
    classes, boxes = first_stage(torch.zeros(1, 1), torch.zeros(1, 1, 4), box, code)
    assert classes == pytest.approx(math.log(2)) and boxes == 0


def test_regions_to_learn_from_show_codes_even_without_proposals():
    torch.manual_seed(0)
    codes = torch.tensor([[20.0, 20, 80, 70, 3], [100, 100, 150, 160, 0]])
    boxes, which = draw(torch.empty(0, 4), codes)
    assert {0, 1} <= set(which.tolist())
    fit = overlaps(boxes, codes[:, :4])
    for row, of in zip(fit, which.tolist()):
        assert (row.max() < OBJECT) if of < 0 else (row.argmax() == of and row.max() >= OBJECT)
    assert recall([codes[:1, :4]], [codes]) == 0.5
    assert draw(torch.rand(9, 4) * 50, codes[:0])[1].tolist() == [-1] * 9


def lively(detector):
    """A network with uneven norms that proposes and classifies everywhere."""
    torch.manual_seed(4)
    network = detector.network()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    network.train()
    for _ in range(3):
        network(60 * torch.randn(4, 3, 96, 96))
    last = (network.rpn.cls, 0.05), (network.rpn.bbox, 0.01), (network.rcnn.cls, 0.02), (network.rcnn.bbox, 0.02)
    for layer, deviation in last:
        torch.nn.init.normal_(layer.weight, std=deviation)
    return network.eval()


def spotter_detect(weights, picture, confidence):
    """Rows x1, y1, x2, y2, score, class."""
    done = subprocess.run([PROGRAM, "detect", "--json", "--backend", "cpu", "--precision", "f32", "--confidence",
                           str(confidence), "--model", f"light-head-rcnn-s={weights}", picture],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return [[*row["box"].values(), row["confidence"], CLASSES.index(row["label"])]
            for row in json.loads(done.stdout)["detections"]]


@pytest.mark.parametrize("name", TWO_STAGE)
@pytest.mark.parametrize("width, height", [(SIDE, SIDE), (2 * SIDE, SIDE)])
def test_spotter_finds_what_torch_finds(name, width, height, tmp_path):
    """All detections of exported weights; the wider picture is halved and lies over a padded lower half."""
    detector = DETECTORS[name]
    network = lively(detector)
    weights = tmp_path / "w.safetensors"
    write_safetensors(weights, folded(network), {"classes": "\n".join(CLASSES), **detector.metadata(SIDE)})
    fill(network, read_safetensors(weights)[0])
    picture = cv2.resize(np.random.default_rng(2).integers(0, 255, (12, 12, 3), np.uint8), (width, height),
                         interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    scale = SIDE / width
    view = cv2.resize(picture, (SIDE, round(height * scale)))
    shown = detector.letterbox.place(view, SIDE)[0]
    x = detector.normalised(shown[None])
    x[:, :, len(view):] = 0  # the colour beside the picture is the mean, rounded
    want = detections(network, x, 0.3, (SIDE, len(view)), scale)
    got = np.array(spotter_detect(weights, tmp_path / "p.png", 0.3))
    assert len(want) == len(got) > 10
    apart = np.abs(np.array(want)[:, None] - got).max(2)
    assert apart.min(0).max() < 0.02 and apart.min(1).max() < 0.02


def learned(detector, views, steps):
    """A network after some steps on nothing but these views, and the figures of each step."""
    torch.manual_seed(0)
    network = detector.network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    codes = torch.full((len(views), CODES_MAX, 5), -1.0)
    for rows, (_, boxes) in zip(codes, views):
        rows[:len(boxes)] = torch.from_numpy(boxes)
    x = detector.normalised(np.stack([view for view, _ in views])).contiguous(memory_format=torch.channels_last)
    seen = []
    for _ in range(steps):
        figures = detector.losses(network, x, codes)
        optimizer.zero_grad()
        sum(figures[:detector.n_losses]).backward()
        optimizer.step()
        seen.append([float(figure) for figure in figures])
    return network, np.array(seen)


def test_pictures_learned_by_heart_are_known_to_spotter(made, tmp_path):
    """Training, export and detection as one: losses fall, and every code of four pictures is found with its class."""
    detector, rng, shards = DETECTORS["light-head-rcnn-s"], np.random.default_rng(0), Shards(made / "data")
    side, views = 192, []
    for place in shards.places:
        view, boxes = sample(rng, *shards.read(place), side, detector.letterbox)
        if len(boxes) and (boxes[:, 2:4] - boxes[:, :2]).max(1).min() > 32:  # as large as the smallest anchor
            views.append((view, boxes))
    views = views[:4]
    network, figures = learned(detector, views, 50)
    losses = figures[:, :detector.n_losses].sum(1)
    assert losses[-5:].mean() < 0.3 * losses[:5].mean(), losses
    assert figures[-5:, detector.figures.index("recall")].mean() > 0.9, figures
    weights = tmp_path / "w.safetensors"
    write_safetensors(weights, folded(network), {"classes": "\n".join(CLASSES), **detector.metadata(side)})
    for i, (view, boxes) in enumerate(views):
        cv2.imwrite(str(tmp_path / f"{i}.png"), view)
        found = spotter_detect(weights, tmp_path / f"{i}.png", 0.3)
        for *box, label in boxes.tolist():
            fit = [float(overlaps(torch.tensor([box]), torch.tensor([row[:4]]))) for row in found if row[5] == label]
            assert max(fit, default=0) > 0.5, (i, box, label, found)
