"""tools/import_weights.py on ncnn models: layers get their names by their place in the network."""

import copy

import numpy as np
import pytest
from conftest import SHARED, listed, weights_for
from ncnn_models import from_list, from_onnx

NANODET = "nanodet-m-0.5x-320"


@pytest.fixture(scope="module")
def model():
    return listed(NANODET), weights_for(NANODET)


def check(got, expected, dtype="<f4"):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        as_stored = array.astype(dtype) if name.endswith(".weight") else array
        assert np.array_equal(got[name], as_stored.astype("<f4")), name


@pytest.mark.parametrize("half", [True, False])
def test_weights_of_either_precision_get_their_names(import_weights, tmp_path, model, half):
    files = from_list(*model, half=half).save(tmp_path)
    check(import_weights(NANODET, *files).read()[0], model[1], "<f2" if half else "<f4")


def test_a_detector_whose_own_form_has_batch_norm_gets_it_folded(import_weights, tmp_path):
    expected, weights = listed("rfsong-779"), weights_for("rfsong-779")
    folded = {}
    for layer in expected["layers"]:
        folded[layer["name"] + ".weight"] = weights[layer["name"] + ".weight"]
        folded[layer["name"] + ".bias"] = np.arange(
            len(weights[layer["name"] + ".weight"]), dtype="<f4"
        )
    files = from_list(expected, folded).save(tmp_path)
    check(import_weights("rfsong-779", *files).read()[0], folded, "<f2")


def test_other_classes_change_only_the_last_layers(import_weights, tmp_path, model):
    expected, weights = model
    weights = {n: a[: 3 + 32] if "gfl_cls" in n else a for n, a in weights.items()}
    result = import_weights(NANODET, *from_list(expected, weights).save(tmp_path))
    check(result.read()[0], weights, "<f2")
    assert result.out.rstrip().endswith(" 3 classes")


@pytest.mark.parametrize(
    "detector, file",
    [
        ("nanodet-m-320", "nanodet-m-320"),
        ("nanodet-m-416", "nanodet-m-416"),
        ("yolov5-shufflenetv2-320", "yolov5-shufflenetv2-coco-320"),
    ],
)
def test_the_layers_of_a_real_export_are_recognised(import_weights, tmp_path, detector, file):
    onnx = SHARED / "onnx" / f"{file}.onnx"
    if not onnx.exists():
        pytest.skip("no ../shared with exported models")
    writer, weights = from_onnx(onnx)
    check(import_weights(detector, *writer.save(tmp_path)).read()[0], weights)


# ---- what is refused ----


def changed(model, tmp_path, change):
    """The files of a model whose lines of layers were changed."""
    writer = from_list(*model)
    change(writer.lines)
    return writer.save(tmp_path)


def replace(old, new):
    def change(lines):
        where = [k for k, line in enumerate(lines) if old in line]
        assert where, old
        lines[where[0]] = lines[where[0]].replace(old, new)

    return change


def test_another_network_of_as_many_layers_is_refused(import_weights, tmp_path, model):
    expected = copy.deepcopy(model[0])
    layers = {layer["name"]: layer for layer in expected["layers"]}
    layers["backbone.stage3.3.branch2.5"]["after"] = ["backbone.stage3.3.branch2.0"]
    files = from_list(expected, model[1]).save(tmp_path)
    refusal = import_weights(NANODET, *files).refusal()
    assert (
        "does not fit backbone.stage3.3.branch2.5: it is fed by backbone.stage3.3.branch2.0"
        in refusal
    )


def test_a_layer_of_another_shape_is_refused(import_weights, tmp_path, model):
    weights = dict(model[1])
    weights["backbone.conv1.0.weight"] = np.zeros((24, 3, 5, 5), "<f4")
    files = from_list(model[0], weights).save(tmp_path)
    refusal = import_weights(NANODET, *files).refusal()
    assert "convolution 1, 'Conv_0', does not fit backbone.conv1.0: shape [24, 3, 5, 5]" in refusal


def test_more_outputs_are_refused_where_other_layers_read_them(import_weights, tmp_path, model):
    weights = dict(model[1])
    weights["fpn.lateral_convs.0.conv.weight"] = np.zeros((95, 48, 1, 1), "<f4")
    weights["fpn.lateral_convs.0.conv.bias"] = np.zeros(95, "<f4")
    refusal = import_weights(NANODET, *from_list(model[0], weights).save(tmp_path)).refusal()
    assert "fpn.lateral_convs.0.conv: shape [95, 48, 1, 1], expected [96, 48, 1, 1]" in refusal


def test_a_network_with_a_layer_more_is_refused(import_weights, tmp_path, model):
    writer = from_list(*model)
    writer.convolution("more", ["in"], ["x"], np.zeros((1, 3, 1, 1)), np.zeros(1))
    refusal = import_weights(NANODET, *writer.save(tmp_path)).refusal()
    assert "the model has 74 convolutions, nanodet-m-0.5x-320 has 73" in refusal


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            replace("Concat join", "BatchNorm join"),
            "is a BatchNorm, which is not read; ncnnoptimize",
        ),
        (replace(" 9=2", " 8=2"), "layer 'Conv_0' is quantised to int8"),
        (replace("6=648", "6=647"), "layer 'Conv_0' has 647 weights for 24 outputs"),
        (replace("Conv_0 1 1", "Conv_0 one 1"), "describes no layer"),
        (replace("Conv_0 1 1", "Conv_0 9 9"), "blobs"),
        (replace("0=24", "0=many"), "many"),
    ],
)
def test_faults_in_the_layers_are_named(import_weights, tmp_path, model, change, sentence):
    assert sentence in import_weights(NANODET, *changed(model, tmp_path, change)).refusal()


def test_a_bin_file_of_another_length_is_refused(import_weights, tmp_path, model):
    param, bin_file = from_list(*model).save(tmp_path)
    data = bin_file.read_bytes()
    bin_file.write_bytes(data[:-2])
    assert "the .bin file ends within" in import_weights(NANODET, param, bin_file).refusal()
    bin_file.write_bytes(data + b"\0" * 8)
    assert "the .bin file has 8 bytes more" in import_weights(NANODET, param, bin_file).refusal()


def test_quantised_weights_are_refused(import_weights, tmp_path, model):
    param, bin_file = from_list(*model).save(tmp_path)
    data = bin_file.read_bytes()
    bin_file.write_bytes(b"\x38\x4b\x0d\x00" + data[4:])
    assert "are quantised (flag 0xd4b38)" in import_weights(NANODET, param, bin_file).refusal()


def test_a_binary_param_file_is_refused(import_weights, tmp_path, model):
    param, bin_file = from_list(*model).save(tmp_path)
    param.write_bytes(b"\xdd\x85\x76\x00\x01\x00\x00\x00")
    assert "m.param" in import_weights(NANODET, param, bin_file).refusal()


def test_both_files_of_a_model_are_needed(import_weights, tmp_path, model):
    param, bin_file = from_list(*model).save(tmp_path)
    assert "give the .bin after the .param" in import_weights(NANODET, param).refusal()
    weights = tmp_path / "w.pth"
    assert "goes only with a .param" in import_weights(NANODET, weights, bin_file).refusal()
