"""Losses, exported weights, and training that stops and goes on."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from codes import CLASSES
from conftest import ROOT, TRAIN, run
from detectors import DETECTORS
from gfl_losses import CLAIMS, assign, losses
from nanodet import BINS, NanoDet, Shuffle, boxes_of, cells, normalised
from shards import MINED_TIMES, Shards
from weights import drop_norms, folded, read_safetensors, unfold, write_safetensors

PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
BUNDLED = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
NONE = [0, 0, 0, 0, -1]


def perfect(box, side):
    """Rows whose boxes equal `box` wherever whole strides can say so, and centres and strides."""
    centres, strides = cells(side)
    distances = torch.cat((centres - torch.tensor(box[:2]), torch.tensor(box[2:]) - centres), 1) / strides[:, None]
    low = distances.clamp(0, BINS - 1.01).floor()
    share = (distances.clamp(0, BINS - 1.01) - low)[..., None]
    bins = torch.arange(float(BINS))
    shares = (bins == low[..., None]) * (1 - share) + (bins == low[..., None] + 1) * share
    rows = torch.zeros(1, len(centres), len(CLASSES) + 4 * BINS)
    rows[0, :, len(CLASSES):] = (shares + 1e-9).log().flatten(1)
    return rows, centres, strides


def test_distances_are_expectations_of_their_distributions():
    rows, centres, strides = perfect([40.0, 24.0, 90.0, 70.0], 128)
    boxes = boxes_of(rows[..., len(CLASSES):], centres, strides)[0]
    middle = (centres[:, 0] > 60) & (centres[:, 0] < 70) & (centres[:, 1] > 40) & (centres[:, 1] < 50)
    assert middle.any() and torch.allclose(boxes[middle], torch.tensor([40.0, 24.0, 90.0, 70.0]), atol=1e-3)


def test_the_cells_that_fit_best_answer_for_a_code_and_no_more_than_allowed():
    box = [40.0, 24.0, 90.0, 70.0]
    rows, centres, strides = perfect(box, 128)
    boxes = boxes_of(rows[..., len(CLASSES):], centres, strides)
    scores = torch.full((1, len(centres), len(CLASSES)), 0.3)
    who, aim = assign(scores, boxes, torch.tensor([[[*box, 2], NONE]]), centres, strides)
    chosen = who[0] == 0
    assert 1 <= chosen.sum() <= CLAIMS and (who[0][~chosen] == -1).all()
    assert abs(aim.max() - 1) < 1e-3  # the best box is perfect
    assert (aim[0][~chosen] == 0).all()
    inside = (centres > torch.tensor(box[:2])).all(1) & (centres < torch.tensor(box[2:])).all(1)
    assert inside[chosen].all()


def test_a_cell_in_two_codes_answers_for_the_one_it_fits():
    first, second = [16.0, 16.0, 40.0, 40.0], [24.0, 16.0, 48.0, 40.0]
    rows, centres, strides = perfect(first, 128)
    boxes = boxes_of(rows[..., len(CLASSES):], centres, strides)
    scores = torch.full((1, len(centres), len(CLASSES)), 0.3)
    who, _ = assign(scores, boxes, torch.tensor([[[*first, 0], [*second, 1]]]), centres, strides)
    for x, code in ((20, 0), (28, 0), (36, 0), (44, 1), (52, -1)):
        cell = (strides == 8) & (centres == torch.tensor([x, 28.0])).all(1)
        assert who[0, cell].tolist() == [code], x


def test_a_thin_code_between_centres_is_still_answered_for():
    box = [20.0, 33.0, 100.0, 39.0]  # centres lie at 28, 36, 44 of stride 8; at none of 16 or 32
    rows, centres, strides = perfect(box, 128)
    boxes = boxes_of(rows[..., len(CLASSES):], centres, strides)
    who, _ = assign(torch.full((1, len(centres), 5), 0.1), boxes, torch.tensor([[[*box, 4]]]), centres, strides)
    assert (who == 0).any()


def test_losses_fall_when_boxes_and_classes_are_right():
    box = [40.0, 24.0, 90.0, 70.0]
    rows, centres, strides = perfect(box, 128)
    target = torch.tensor([[[*box, 2]]])
    rows[..., :len(CLASSES)] = -6
    who, aim = assign(rows[..., :5].sigmoid(), boxes_of(rows[..., 5:], centres, strides), target, centres, strides)
    right = rows.clone()
    right[..., 2][who >= 0] = torch.logit(aim[who >= 0].clamp(0.001, 0.999))
    wrong = rows.clone()
    wrong[..., 1][who >= 0] = 4
    class_right, box_right, _, fit = losses(right, target, centres, strides, len(CLASSES))
    class_wrong = losses(wrong, target, centres, strides, len(CLASSES))[0]
    assert class_right < 0.5 * class_wrong
    assert box_right < 0.2 and fit > 0.95
    nothing = losses(rows, torch.tensor([[NONE]]), centres, strides, len(CLASSES))
    assert nothing[0] < 6 and nothing[1] == 0 and nothing[2] == 0


def test_losses_have_finite_gradients_without_any_code():
    centres, strides = cells(64)
    rows = torch.randn(2, len(centres), len(CLASSES) + 4 * BINS, requires_grad=True)
    sum(losses(rows, torch.tensor([[NONE], [NONE]]), centres, strides, len(CLASSES))[:3]).backward()
    assert torch.isfinite(rows.grad).all() and rows.grad.abs().sum() > 0


def lively():
    """A network with uneven norms, and classes of every likelihood."""
    torch.manual_seed(4)
    network = NanoDet(len(CLASSES))
    network.train()
    for _ in range(3):
        network(torch.randn(4, 3, 96, 96))
    for last in network.head.gfl_cls:
        torch.nn.init.normal_(last.weight, std=0.3)
        last.bias.data[:len(CLASSES)] = -3.0
    return network.eval()


def picture():
    rng = np.random.default_rng(2)
    return cv2.resize(rng.integers(0, 255, (20, 20, 3), np.uint8), (320, 320), interpolation=cv2.INTER_CUBIC)


def test_spotter_computes_what_was_trained(tmp_path):
    """The best box of an exported network, by spotter and by torch."""
    network, image = lively(), picture()
    write_safetensors(tmp_path / "w.safetensors", folded(network), {"classes": "\n".join(CLASSES)})
    cv2.imwrite(str(tmp_path / "p.png"), image)
    with torch.no_grad():
        rows = network(normalised(image[None]))[0]
    scores = rows[:, :len(CLASSES)].sigmoid()
    best = int(scores.max(1).values.argmax())
    expected = boxes_of(rows[best, len(CLASSES):], *(v[best] for v in cells(320))).clamp(0, 320)
    done = subprocess.run([PROGRAM, "detect", "--json", "--backend", "cpu", "--precision", "f32", "--confidence", "0.05",
                           "--model", f"nanodet-m-320={tmp_path}/w.safetensors", tmp_path / "p.png"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["detections"][0]
    assert found["label"] == CLASSES[int(scores[best].argmax())]
    assert abs(found["confidence"] - float(scores[best].max())) < 0.01
    assert np.abs(np.array([found["box"][k] for k in ("x_min", "y_min", "x_max", "y_max")]) - expected.numpy()).max() < 1


def test_the_shuffle_is_that_of_the_paper_and_so_is_its_gradient():
    torch.manual_seed(5)
    halves = [torch.randn(2, 6, 3, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
              for _ in range(2)]
    shuffled = torch.stack(halves, 2).flatten(1, 2)  # channels of left and right in turn
    got = Shuffle.apply(*halves)
    assert (torch.cat(got, 1) == shuffled).all()
    assert all(half.is_contiguous(memory_format=torch.channels_last) for half in got)
    assert torch.autograd.gradcheck(Shuffle.apply, halves)


def test_a_network_without_norms_computes_the_same():
    network, x = lively(), torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        want = network(x)
        drop_norms(network)
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        assert torch.allclose(network(x), want, rtol=1e-4, atol=1e-4)


def test_an_exported_network_can_be_trained_on(tmp_path):
    network = lively()
    write_safetensors(tmp_path / "w.safetensors", folded(network), {"a": "b"})
    assert read_safetensors(tmp_path / "w.safetensors")[1] == {"a": "b"}
    batches = [torch.randn(4, 3, 96, 96) for _ in range(3)]
    again = NanoDet(len(CLASSES))
    unfold(again, tmp_path / "w.safetensors", batches)
    with torch.no_grad():
        want, got = network(batches[0]), again.eval()(batches[0])
    assert (want - got).abs().max() < 0.05 * want.abs().max()
    assert again.backbone.conv1[1].running_var.std() > 0  # statistics were measured


def test_a_release_believes_from_the_default_on_what_it_believed_from_its_threshold_on(tmp_path):
    network = lively()
    write_safetensors(tmp_path / "w.safetensors", folded(network), {})
    (tmp_path / "card.md").write_text("a card")
    run("release.py", tmp_path / "w.safetensors", tmp_path / "card.md", tmp_path / "out.safetensors", 0.55)
    before, after = (read_safetensors(tmp_path / name)[0] for name in ("w.safetensors", "out.safetensors"))
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert moved == {f"head.gfl_cls.{level}.bias" for level in range(3)}
    for name in moved:
        logit = torch.logit(torch.tensor(0.55)) + torch.from_numpy(after[name] - before[name])[:len(CLASSES)]
        assert torch.allclose(logit.sigmoid(), torch.tensor(0.4), atol=1e-3)
        assert (after[name] == before[name])[len(CLASSES):].all()


def test_the_bundled_weights_are_this_networks():
    tensors, metadata = read_safetensors(BUNDLED)
    assert metadata["classes"].split("\n") == CLASSES
    assert {name: list(t.shape) for name, t in tensors.items()} == {
        name: list(t.shape) for name, t in folded(NanoDet(len(CLASSES))).items()}
    assert BUNDLED.stat().st_size < 2_000_000


@pytest.mark.parametrize("detector, start", [("nanodet-m", BUNDLED), ("light-head-rcnn-s", None)])
def test_training_goes_on_where_it_was_stopped(detector, start, made, tmp_path):
    out = tmp_path / "run"
    if start is None:
        start = tmp_path / "start.safetensors"
        write_safetensors(start, folded(DETECTORS[detector].network()), {})
    arguments = [made / "data", out, "--detector", detector, "--sides", "64:0.5,96:1", "--batch", 2, "--processes", 2,
                 "--init", start, "--save-every", 2]
    run("train.py", *arguments, "--steps", 3)
    first = torch.load(out / "checkpoint.pt")
    assert first["step"] == 3 and first["seen"] == 12
    process = subprocess.Popen([sys.executable, TRAIN / "train.py", *map(str, arguments), "--steps", "100000"])
    try:
        deadline = time.time() + 240
        while torch_step(out) <= 3 and time.time() < deadline:  # the first save after the start
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
    last = torch.load(out / "checkpoint.pt")
    assert last["step"] > 3 and last["seen"] == 4 * last["step"]
    starts = json.loads((out / "settings.json").read_text())
    assert len(starts) == 2 and starts[0]["init sha256"] and starts[0]["versions"]["torch"] == torch.__version__
    assert read_safetensors(out / "model.safetensors")[1]["classes"].split("\n") == CLASSES


def test_mined_pictures_have_no_code_and_deceive_the_model(made, tmp_path):
    write_safetensors(tmp_path / "w.safetensors", folded(lively()), {})
    run("generate.py", made / "codes", made / "photos", tmp_path / "mined", "--mine", 1, "--shard-pictures", 3,
        "--model", tmp_path / "w.safetensors")
    assert (np.load(tmp_path / "mined" / "boxes-mined-00001.npy") == -1).all()
    network = lively()
    for picture in np.load(tmp_path / "mined" / "pictures-mined-00001.npy"):
        with torch.no_grad():
            rows = network(normalised(cv2.resize(picture, (320, 320))[None]))
        assert rows[..., :len(CLASSES)].max().sigmoid() > 0.15  # 0.2 as the program computes, in bf16
    assert len(Shards(tmp_path / "mined").places) == 3 * MINED_TIMES


def test_an_exported_network_is_trained_on_without_norms(made, tmp_path):
    run("train.py", made / "data", tmp_path / "run", "--init", BUNDLED, "--steps", 2, "--sides", "64:1", "--batch", 2,
        "--without-norms")
    before, after = (read_safetensors(path)[0] for path in (BUNDLED, tmp_path / "run" / "model.safetensors"))
    assert after.keys() == before.keys()
    changed = [np.abs(after[name] - before[name]).max() for name in before]
    assert 0 < max(changed) < 0.05  # two steps of a rate that warms up


def torch_step(out: pathlib.Path):
    return torch.load(out / "checkpoint.pt")["step"]


@pytest.mark.parametrize("detector", ["nanodet-m", "light-head-rcnn-s"])
def test_a_warm_up_gives_a_backbone_to_start_from_and_a_run_one_to_warm_up_further(detector, made, tmp_path):
    def warm_up(out, *options):
        run("warm_up.py", made / "data", out, "--detector", detector, "--steps", 2, "--batch", 4, "--side", 64, "--rate", 1e-6,
            "--threads", 1, *options)
        return torch.load(out)["average"]

    first = warm_up(tmp_path / "warm.pt")
    run("train.py", made / "data", tmp_path / "run", "--detector", detector, "--init", tmp_path / "warm.pt", "--steps", 1,
        "--sides", "64:1", "--batch", 2, "--rate", 1e-6)
    assert torch_step(tmp_path / "run") == 1
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    second = warm_up(tmp_path / "further.pt", "--init", checkpoint, "--seed", 2)
    assert second.keys() == first.keys()
    for name, weights in first.items():
        if weights.ndim > 1:  # the same but for steps too small to see
            assert torch.allclose(second[name], weights, atol=1e-4), name
