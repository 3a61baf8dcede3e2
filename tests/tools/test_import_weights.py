"""tools/import_weights.py on checkpoints as each upstream project saves them, good and bad."""

import subprocess

import numpy as np
import pytest
from checkpoints import Call, Storage, module, parameter, save, save_legacy, tensor, view
from conftest import ROOT, SPOTTER, weights_for

NANODET = "nanodet-m-0.5x-320"


def tensors(weights, prefix=""):
    return {prefix + name: tensor(array) for name, array in weights.items()}


def same(got, expected):
    assert got.keys() == expected.keys()
    for name in expected:
        assert np.array_equal(got[name], expected[name]), name


# ---- what upstream projects save ----


def test_a_plain_state_dict_is_taken_as_it_is(import_weights, tmp_path):
    weights = weights_for(NANODET)
    save(tmp_path / "w.pth", tensors(weights))
    got, metadata = import_weights(NANODET, tmp_path / "w.pth").read()
    same(got, weights)
    assert metadata == {"detector": NANODET}


def nanodet_training(trained, average):
    """A Lightning checkpoint: the model, its moving average, and what only training needs."""
    extra = {
        "head.gfl_reg.0.weight": np.zeros((32, 96, 1, 1), "<f4"),
        "head.gfl_reg.0.bias": np.zeros(32, "<f4"),
        "head.distribution_project.project": np.arange(8, dtype="<f4"),
        "aux_fpn.reduce_layers.0.conv.weight": np.zeros((96, 116, 1, 1), "<f4"),
        "aux_head.gfl_cls.weight": np.zeros((80, 192, 3, 3), "<f4"),
        "backbone.conv1.1.num_batches_tracked": np.array(7, "<i8"),
    }
    state = {
        **tensors({**trained, **extra}, "model."),
        **tensors({**average, **extra}, "avg_model."),
    }
    return {"epoch": 3, "state_dict": state, "optimizer_states": [{"lr": 0.1}], "version": "1.5"}


def test_nanodet_s_moving_average_is_taken_unless_told_otherwise(import_weights, tmp_path):
    trained, average = weights_for(NANODET, 1), weights_for(NANODET, 2)
    save(tmp_path / "w.ckpt", nanodet_training(trained, average))
    result = import_weights(NANODET, tmp_path / "w.ckpt")
    same(result.read()[0], average)
    assert "auxiliary head of NanoDet-Plus" in result.err
    assert "another copy of the model, such as model." in result.err
    same(import_weights(NANODET, tmp_path / "w.ckpt", "--no-average").read()[0], trained)


def test_rfsong_s_data_parallel_checkpoint_in_the_old_format(import_weights, tmp_path):
    weights = weights_for("rfsong-779")
    counters = {
        name.replace("running_mean", "num_batches_tracked"): np.array(9, "<i8")
        for name in weights
        if name.endswith("running_mean")
    }
    save_legacy(tmp_path / "w.pth", tensors({**weights, **counters}, "module."))
    result = import_weights("rfsong-779", tmp_path / "w.pth")
    same(result.read()[0], weights)
    assert f"left out: {len(counters)} tensors, counters of batch norm" in result.err


ANCHORS = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]


def yolo_model(weights, anchors):
    """What YOLOv5 keeps in its .pt files: a pickled model, one module for each part of a name."""
    tree = {}
    for name, array in weights.items():
        node = tree
        *path, leaf = name.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = parameter(tensor(array.astype("<f2")))

    def build(node):
        leaves = {k: v for k, v in node.items() if isinstance(v, Call)}
        children = {k: build(v) for k, v in node.items() if not isinstance(v, Call)}
        return module("Sequential", leaves, None, children)

    model = build(tree)
    head = model.state["_modules"]["model"].state["_modules"]["21"]
    grid = np.array(anchors, "<f4").reshape(3, 1, 3, 1, 1, 2)
    strides = np.array([8, 16, 32], "<f4").reshape(3, 1, 1)
    head.state["_buffers"] = {
        "anchors": tensor((grid.reshape(3, 3, 2) / strides).astype("<f2")),
        "anchor_grid": tensor(grid),
    }
    return {"epoch": -1, "best_fitness": None, "model": model, "ema": None}


def test_yolov5_s_pickled_model_is_read_for_its_tensors(import_weights, tmp_path):
    weights = weights_for("yolov5-shufflenetv2-320")
    save(tmp_path / "w.pt", yolo_model(weights, ANCHORS))
    got, _ = import_weights("yolov5-shufflenetv2-320", tmp_path / "w.pt").read()
    same(got, {name: array.astype("<f2").astype("<f4") for name, array in weights.items()})


def test_anchors_fitted_to_other_data_are_refused(import_weights, tmp_path):
    fitted = [[11, 13, 16, 30, 33, 23], *ANCHORS[1:]]
    save(tmp_path / "w.pt", yolo_model(weights_for("yolov5-shufflenetv2-320"), fitted))
    refusal = import_weights("yolov5-shufflenetv2-320", tmp_path / "w.pt").refusal()
    assert "the anchors in 'model.21.anchor" in refusal


def test_weights_of_other_classes_fit_as_they_are(import_weights, tmp_path):
    weights = weights_for(NANODET)
    for level in range(3):
        for part in ("weight", "bias"):
            name = f"head.gfl_cls.{level}.{part}"
            weights[name] = weights[name][: 2 + 32]
    save(tmp_path / "w.pth", tensors(weights))
    result = import_weights(NANODET, tmp_path / "w.pth")
    same(result.read()[0], weights)
    assert result.out.rstrip().endswith(" 2 classes")


def test_a_safetensors_file_can_be_imported_again(import_weights, tmp_path):
    bundled = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
    first, metadata = import_weights("nanodet-m-320", bundled).read()
    assert metadata["classes"].count("\n") > 0
    again = tmp_path / "again.safetensors"
    (tmp_path / "out.safetensors").rename(again)
    second, _ = import_weights("nanodet-m-320", again, "--dtype", "f16").read()
    same(second, {name: array.astype("<f2") for name, array in first.items()})


# ---- forms ----


def test_fold_leaves_what_the_convolution_and_batch_norm_compute(import_weights, tmp_path):
    weights = weights_for("rfsong-779")
    save(tmp_path / "w.pth", tensors(weights))
    got, _ = import_weights("rfsong-779", tmp_path / "w.pth", "--fold").read()
    assert not any("running" in name for name in got)
    conv, bn = "base.conv1_1.conv", "base.conv1_1.bn"
    x = np.random.default_rng(3).normal(size=27)
    plain = weights[f"{conv}.weight"].reshape(32, 27).astype(float) @ x
    deviation = np.sqrt(weights[f"{bn}.running_var"] + 1e-5)
    expected = (plain - weights[f"{bn}.running_mean"]) / deviation
    expected = expected * weights[f"{bn}.weight"] + weights[f"{bn}.bias"]
    folded = got[f"{conv}.weight"].reshape(32, 27) @ x + got[f"{conv}.bias"]
    assert np.allclose(folded, expected, rtol=1e-5)
    assert np.array_equal(got["loc.0.weight"], weights["loc.0.weight"])


def test_numbers_too_large_for_f16_are_refused(import_weights, tmp_path):
    weights = weights_for(NANODET)
    weights["fpn.lateral_convs.0.conv.bias"][5] = 70000
    save(tmp_path / "w.pth", tensors(weights))
    assert import_weights(NANODET, tmp_path / "w.pth").status == 0
    refusal = import_weights(NANODET, tmp_path / "w.pth", "--dtype", "f16").refusal()
    assert "'fpn.lateral_convs.0.conv.bias' has elements beyond what float16 holds" in refusal


def test_numbers_that_are_not_finite_are_refused(import_weights, tmp_path):
    weights = weights_for(NANODET)
    weights["backbone.conv1.0.weight"][0, 0, 0, 0] = np.nan
    save(tmp_path / "w.pth", tensors(weights))
    refusal = import_weights(NANODET, tmp_path / "w.pth").refusal()
    assert "'backbone.conv1.0.weight' has elements that are not finite" in refusal


def test_class_names_go_into_the_file(import_weights, tmp_path):
    save(tmp_path / "w.pth", tensors(weights_for(NANODET)))
    names = ROOT / "config" / "labels" / "coco80.txt"
    result = import_weights(NANODET, tmp_path / "w.pth", "--classes", names)
    assert result.read()[1]["classes"].split("\n") == names.read_text().splitlines()
    (tmp_path / "few.txt").write_text("cat\ndog\n")
    refusal = import_weights(
        NANODET, tmp_path / "w.pth", "--classes", tmp_path / "few.txt"
    ).refusal()
    assert "few.txt has 2 names, the weights have 80 classes" in refusal


def test_spotter_loads_what_was_made(import_weights, tmp_path):
    save(tmp_path / "w.pth", tensors(weights_for("rfsong-779")))
    result = import_weights("rfsong-779", tmp_path / "w.pth", "--fold", "--dtype", "f16")
    assert result.status == 0, result.err
    picture = ROOT / "docs" / "images" / "sample.jpg"
    command = [SPOTTER, "detect", "--model", f"rfsong-779={result.output}", picture]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


# ---- what does not fit ----


def test_all_that_differs_is_listed(import_weights, tmp_path):
    weights = weights_for(NANODET)
    del weights["backbone.conv1.0.bias"]
    weights["fpn.lateral_convs.1.conv.weight"] = np.zeros((96, 95, 1, 1), "<f4")
    weights["neck.something"] = np.zeros((2, 3), "<f4")
    save(tmp_path / "w.pth", tensors(weights))
    assert import_weights(NANODET, tmp_path / "w.pth").refusal() == (
        f"import_weights: {tmp_path}/w.pth is not of {NANODET}:\n"
        "  missing (1):\n"
        "    backbone.conv1.0.bias [24]\n"
        "  unknown (1):\n"
        "    neck.something [2, 3]\n"
        "  another shape (1):\n"
        "    fpn.lateral_convs.1.conv.weight has [96, 95, 1, 1], expected [96, 96, 1, 1]\n"
    )


def test_long_lists_are_cut(import_weights, tmp_path):
    weights = {n: a for n, a in weights_for(NANODET).items() if not n.startswith("backbone")}
    save(tmp_path / "w.pth", tensors(weights))
    refusal = import_weights(NANODET, tmp_path / "w.pth").refusal()
    assert "missing (110):" in refusal and "    and 90 more\n" in refusal
    assert len(refusal.splitlines()) == 23


def test_a_checkpoint_of_another_model_is_refused(import_weights, tmp_path):
    save(tmp_path / "w.pth", tensors({"fc.weight": np.zeros((10, 4), "<f4")}))
    refusal = import_weights(NANODET, tmp_path / "w.pth").refusal()
    assert "unknown (1):\n    fc.weight [10, 4]" in refusal


def test_a_detector_that_is_not_known_is_refused_with_those_that_are(import_weights, tmp_path):
    save(tmp_path / "w.pth", tensors({"fc.weight": np.zeros(4, "<f4")}))
    refusal = import_weights("nanodet-x", tmp_path / "w.pth").refusal()
    assert "detector 'nanodet-x' is not known" in refusal


# ---- files that are none, or worse ----


def test_nothing_that_a_pickle_names_is_run(import_weights, tmp_path):
    weights, marker = weights_for(NANODET), tmp_path / "marker"
    state = tensors(weights)
    bad = {
        "system": Call("os", "system", f"touch {marker}"),
        "eval": Call("builtins", "eval", f"open({str(marker)!r}, 'w')"),
        "getattr": Call("builtins", "getattr", Call("os", "path"), "join"),
        "popen": Call("subprocess", "Popen", ["touch", str(marker)]),
    }
    save(tmp_path / "w.pth", {"state_dict": state, "hooks": bad, "model": bad})
    same(import_weights(NANODET, tmp_path / "w.pth").read()[0], weights)
    assert not marker.exists()


@pytest.mark.parametrize(
    "shape, strides, offset, sentence",
    [
        ((96,), (1,), 1, "reaches beyond its storage of 96 elements"),
        ((96,), (2,), 0, "reaches beyond its storage"),
        ((96,), (-1,), 95, "a shape or strides that are none"),
        ((96,), (1, 1), 0, "a shape or strides that are none"),
        ((2**40,), (0,), 0, ""),
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(
    import_weights, tmp_path, shape, strides, offset, sentence
):
    storage = Storage(np.zeros(96, "<f4"))
    state = tensors(weights_for(NANODET))
    state["fpn.lateral_convs.0.conv.bias"] = view(storage, offset, shape, strides)
    save(tmp_path / "w.pth", state)
    assert sentence in import_weights(NANODET, tmp_path / "w.pth").refusal()


def test_views_of_a_shared_storage_are_copied_out(import_weights, tmp_path):
    weights = weights_for(NANODET)
    shared = Storage(np.arange(300, dtype="<f4"))
    state = tensors(weights)
    state["fpn.lateral_convs.0.conv.bias"] = view(shared, 3, (96,), (2,))
    state["fpn.lateral_convs.1.conv.bias"] = view(shared, 0, (96,), (0,))
    save(tmp_path / "w.pth", state)
    got, _ = import_weights(NANODET, tmp_path / "w.pth").read()
    assert np.array_equal(got["fpn.lateral_convs.0.conv.bias"], np.arange(3, 195, 2))
    assert np.array_equal(got["fpn.lateral_convs.1.conv.bias"], np.zeros(96))


def test_elements_of_a_kind_that_is_not_known_are_refused(import_weights, tmp_path):
    save(tmp_path / "w.pth", {"w": tensor(np.zeros(4, "<f4"), kind="QUInt8Storage")})
    assert (
        "elements of the kind QUInt8Storage"
        in import_weights(NANODET, tmp_path / "w.pth").refusal()
    )


def test_bfloat16_and_double_are_read(tmp_path):
    from weight_files import torch_file

    values = np.array([1.5, -2.0, 0.25, 3.0], "<f4")
    half = (values.view("<u4") >> 16).astype("<u2").view("<f2")
    state = {"b": tensor(half, kind="BFloat16Storage"), "d": tensor(values.astype("<f8"))}
    for write in (save, save_legacy):
        write(tmp_path / "w.pth", state)
        got = torch_file.read(tmp_path / "w.pth")
        assert np.array_equal(got["b"], values) and np.array_equal(got["d"], values)


@pytest.mark.parametrize("write", [save, save_legacy])
def test_damaged_checkpoints_are_refused_in_one_sentence(tmp_path, write):
    from weight_files import WeightFileError, torch_file

    path = tmp_path / "w.pth"
    write(
        path,
        {"state_dict": tensors({"a.weight": np.ones((4, 3), "<f4"), "a.bias": np.ones(4, "<f4")})},
    )
    good, random = path.read_bytes(), np.random.default_rng(5)
    torch_file.read(path)
    refused = 0
    for trial in range(300):
        data = bytearray(good)
        if trial % 3 == 0:
            data = data[: random.integers(len(data))]
        else:
            for _ in range(1 + trial % 4):
                data[random.integers(len(data))] = random.integers(256)
        path.write_bytes(data)
        try:
            torch_file.read(path)
        except WeightFileError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            refused += 1
    assert refused > 100  # bytes of names and numbers may change without harm


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 no zip", b"\x80\x02K\x01."]
)
def test_files_of_other_kinds_are_refused(import_weights, tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    assert "w.pth" in import_weights(NANODET, tmp_path / "w.pth").refusal()


def test_a_file_that_is_not_there_is_named(import_weights, tmp_path):
    assert (
        "none.pth cannot be read: No such file"
        in import_weights(NANODET, tmp_path / "none.pth").refusal()
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_itself_saves_is_read(tmp_path, zipped):
    torch = pytest.importorskip("torch", reason="needs PyTorch (Debian's python3-torch)")
    from weight_files import torch_file

    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).half()
    torch.nn.init.normal_(layer[0].weight)
    save_as = {"_use_new_zipfile_serialization": zipped}
    for content in (
        layer.state_dict(),
        {"state_dict": layer.state_dict()},
        {"model": layer},
        layer,
    ):
        torch.save(content, tmp_path / "w.pt", **save_as)
        got = torch_file.read(tmp_path / "w.pt")
        assert got.keys() == layer.state_dict().keys()
        for name, expected in layer.state_dict().items():
            assert np.array_equal(got[name], expected.numpy()), name
