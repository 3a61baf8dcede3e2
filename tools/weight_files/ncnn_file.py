"""Reads ncnn models: a text .param file with the layers, a .bin file with their weights in order.

The layers have no names worth anything, so their place in the network gives them one: they are
matched to a detector's layers in the order of both, and every match is checked: shapes, and that
each layer is fed by the layers that feed its match.
"""

import dataclasses

import numpy as np

from . import WeightFileError

MAGIC = "7767517"
CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")
# Layers with weights that no detector here has once it is optimised for ncnn.
OTHERS_WITH_WEIGHTS = """
    BatchNorm Bias Convolution1D Convolution3D Deconvolution DeconvolutionDepthWise DeformableConv2D
    Embed GroupNorm GRU InnerProduct InstanceNorm LayerNorm LSTM MemoryData MultiHeadAttention
    Normalize PReLU RNN Scale
""".split()

FLAG_F32, FLAG_F16, FLAG_F32_TAGGED = 0, 0x01306B47, 0x0002C056


@dataclasses.dataclass
class Layer:
    name: str
    outputs: int
    kernel: tuple  # height, width
    inputs: int  # of one group
    has_bias: bool
    after: frozenset  # numbers of the convolutions nearest before it
    feeds: bool = False  # some convolution comes after it
    weight: np.ndarray = None
    bias: np.ndarray = None

    @property
    def shape(self):
        return (self.outputs, self.inputs, *self.kernel)


def _parameters(words):
    """{"0": "24", …}; arrays (keys below -23299) are passed over."""
    return dict(word.split("=", 1) for word in words if "=" in word)


def _convolution(name, parameters, after):
    def number(key, default=0):
        return int(parameters.get(str(key), default))

    width = number(1)
    height = number(11, width)
    outputs, group, size = number(0), number(7, 1), number(6)
    if number(8) != 0:
        raise WeightFileError(f"layer '{name}' is quantised to int8; take the fp16 or fp32 file")
    taps = outputs * width * height
    if group < 1 or taps < 1 or size < taps or size % taps != 0:
        raise WeightFileError(f"layer '{name}' has {size} weights for {outputs} outputs")
    return Layer(name, outputs, (height, width), size // taps, number(5) != 0, after)


def _parse_line(words, line):
    """(type, name, inputs, outputs, parameters) of a layer's line."""
    if len(words) < 4 or not (words[2].isdigit() and words[3].isdigit()):
        raise WeightFileError(f"line {line} describes no layer")
    n_in, n_out = int(words[2]), int(words[3])
    blobs = words[4 : 4 + n_in + n_out]
    if len(blobs) != n_in + n_out:
        raise WeightFileError(f"line {line} names {len(blobs)} of {n_in + n_out} blobs")
    return words[0], words[1], blobs[:n_in], blobs[n_in:], _parameters(words[4 + n_in + n_out :])


def _read_param(text):
    """The convolutions of a .param file, in order."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise WeightFileError("it does not begin as a text .param file of ncnn does")
    convolutions, nearest = [], {}
    for number, words in enumerate((line.split() for line in lines[2:]), 3):
        if not words:
            continue
        kind, name, inputs, outputs, parameters = _parse_line(words, number)
        if kind in OTHERS_WITH_WEIGHTS:
            raise WeightFileError(
                f"layer '{name}' is a {kind}, which is not read; ncnnoptimize folds batch norm "
                "into convolutions"
            )
        before = frozenset().union(*(nearest.get(blob, frozenset()) for blob in inputs))
        if kind in CONVOLUTIONS:
            convolutions.append(_convolution(name, parameters, before))
            for k in before:
                convolutions[k].feeds = True
            before = frozenset([len(convolutions) - 1])
        nearest.update(dict.fromkeys(outputs, before))
    return convolutions


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count, dtype, what):
        size = count * np.dtype(dtype).itemsize
        if self.at + size > len(self.data):
            raise WeightFileError(f"the .bin file ends within {what}")
        self.at += size
        return np.frombuffer(self.data, dtype, count, self.at - size)

    def weight(self, layer):
        what = f"the weights of layer '{layer.name}'"
        count = int(np.prod(layer.shape))
        (flag,) = self.take(1, "<u4", what)
        if flag in (FLAG_F32, FLAG_F32_TAGGED):
            values = self.take(count, "<f4", what)
        elif flag == FLAG_F16:
            values = self.take(count, "<f2", what).astype("<f4")
            self.at += -self.at % 4
        else:
            raise WeightFileError(f"{what} are quantised (flag {flag:#x}), which is not read")
        return values.reshape(layer.shape)


def read(param_path, bin_path):
    """The convolutions of a model, with weight and bias (None where it has none)."""
    try:
        with open(param_path, encoding="utf-8") as file:
            layers = _read_param(file.read())
        with open(bin_path, "rb") as file:
            reader = _Reader(file.read())
        for layer in layers:
            layer.weight = reader.weight(layer)
            if layer.has_bias:
                what = f"the bias of layer '{layer.name}'"
                layer.bias = reader.take(layer.outputs, "<f4", what)
        if reader.at != len(reader.data):
            rest = len(reader.data) - reader.at
            raise WeightFileError(f"the .bin file has {rest} bytes more than the layers take")
    except OSError as error:
        raise WeightFileError(f"{error.filename} cannot be read: {error.strerror}") from None
    except (WeightFileError, ValueError) as error:
        raise WeightFileError(f"{param_path}: {error}") from None
    return layers


def name_layers(layers, expected):
    """{name: array} by matching layers to those of a detector (as `spotter models --tensors`)."""
    wanted = [layer for layer in expected["layers"] if layer["operator"] == "conv2d"]
    if len(wanted) != len(expected["layers"]):
        raise WeightFileError(
            f"{expected['detector']} has layers that ncnn models are not read for"
        )
    if len(layers) != len(wanted):
        raise WeightFileError(
            f"the model has {len(layers)} convolutions, {expected['detector']} has {len(wanted)}"
        )
    shapes = {tensor["name"]: tuple(tensor["shape"]) for tensor in expected["tensors"]}
    numbers = {layer["name"]: k for k, layer in enumerate(wanted)}
    tensors = {}
    for k, (layer, match) in enumerate(zip(layers, wanted)):
        place = f"convolution {k + 1}, '{layer.name}', does not fit {match['name']}"
        shape = shapes[match["name"] + ".weight"]
        # only the last layers may have another number of outputs: that of other classes
        if layer.shape[1:] != shape[1:] or (layer.feeds and layer.outputs != shape[0]):
            raise WeightFileError(f"{place}: shape {list(layer.shape)}, expected {list(shape)}")
        if layer.after != {numbers[name] for name in match["after"]}:
            fed = ", ".join(wanted[n]["name"] for n in sorted(layer.after)) or "the input"
            raise WeightFileError(f"{place}: it is fed by {fed}")
        bias = layer.bias if layer.bias is not None else np.zeros(layer.outputs, "<f4")
        tensors[match["name"] + ".weight"] = layer.weight
        tensors[match["name"] + ".bias"] = bias
    return tensors
