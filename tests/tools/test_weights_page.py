"""The commands in docs/weights.md do what the page says, on checkpoints made as upstream makes them."""

import re
import shlex
import subprocess

import numpy as np
import pytest
from checkpoints import save, save_legacy, tensor
from conftest import ROOT, SPOTTER, listed, weights_for
from ncnn_models import from_list

PAGE = (ROOT / "docs" / "weights.md").read_text()
COMMANDS = [line.strip() for line in re.findall(r"^    (?:tools|build)/.*$", PAGE, re.MULTILINE)]


def prefixed(weights, prefix):
    return {prefix + name: tensor(array) for name, array in weights.items()}


def lightning(detector, prefix):
    return {"epoch": 1, "state_dict": prefixed(weights_for(detector), prefix)}


def repvgg_in_training_form():
    """RepVGG's blocks as branches, each with a batch norm."""
    state = {}
    for name, array in weights_for("nanodet-repvgg-a0-416").items():
        if not name.endswith("rbr_reparam.weight"):
            if "rbr_reparam" not in name:
                state[name] = array
            continue
        block = name[: -len("rbr_reparam.weight")]
        outputs = len(array)
        state[block + "rbr_dense.0.weight"] = array
        state[block + "rbr_1x1.0.weight"] = array[:, :, :1, :1]
        for norm in ("rbr_dense.1.", "rbr_1x1.1."):
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[block + norm + part] = np.ones(outputs, "<f4")
    return {"state_dict": prefixed(state, "model.")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page assumes is there: the source tree, and files from upstream."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("tools", "docs", "config"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build").mkdir()
    (folder / "build" / "spotter").symlink_to(SPOTTER)
    save(folder / "nanodet_m.ckpt", lightning("nanodet-m-320", "model."))
    plus = lightning("nanodet-plus-m-416", "avg_model.")
    save(folder / "nanodet-plus-m_416_checkpoint.ckpt", plus)
    save(folder / "nanodet_repvgg_a0.ckpt", repvgg_in_training_form())
    save_legacy(folder / "epoches_114.pth", prefixed(weights_for("rfsong-779"), "module."))
    yolo = prefixed(weights_for("yolov5-shufflenetv2-320"), "")
    save(folder / "v5lite-e.pt", {"model": yolo})
    ncnn = from_list(listed("nanodet-m-320"), weights_for("nanodet-m-320")).save(folder)
    for path in ncnn:
        path.rename(path.with_stem("nanodet-m"))
    return folder


def test_the_page_has_commands():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works(folder, command):
    words = shlex.split(command)
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    if "-o" in words:
        assert (folder / words[words.index("-o") + 1]).exists()


def test_every_option_is_documented():
    tool = ROOT / "tools" / "import_weights.py"
    help_text = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^  (--[\w-]+)", help_text, re.MULTILINE)) - {"--spotter"}
    assert options >= {"--classes", "--dtype", "--fold", "--no-average"}
    for option in options:
        assert option in PAGE


def test_the_message_shown_is_the_one_given(folder):
    state = prefixed(weights_for("nanodet-m-416"), "")
    state["head.gfl_cls.2.bias_"] = state.pop("head.gfl_cls.2.bias")
    save(folder / "nanodet_m.ckpt", state)
    words = ["tools/import_weights.py", "nanodet-m-416", "nanodet_m.ckpt", "-o", "none.safetensors"]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert f"```\n{result.stderr}```\n" in PAGE
