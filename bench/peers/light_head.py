"""Light-Head R-CNN S for other runtimes: weights that nobody trained, and the network as ONNX.

No trained weights are public, and ONNX has no position-sensitive RoI operator, so the ONNX file holds the two
parts that are matrices:

    input [N,3,H,W]      -> backbone, proposal network, thin map -> rpn.cls, rpn.bbox, thin
    regions [R,10,7,7]   -> second stage                         -> rcnn.cls, rcnn.bbox

What lies between them (decoding and sorting 45,540 anchors, their suppression, cutting 1000 regions out of the thin
map) only spotter computes. Names are those of models/light_head_rcnn.c.
"""

import json
import subprocess
import zlib

import numpy

STAGES = {2: 4, 3: 8, 4: 4}  # number: units
POOLED, EPSILON = (10, 7, 7), 1e-5

# Factors of the usual start that keep maps near 1 where the network only adds, and boxes near their anchors, so that
# suppression leaves as many regions as a trained network gives.
FACTORS = {"bn3.weight": 0.3, "rpn.cls.weight": 0.3, "rpn.bbox.weight": 0.02, "rcnn.bbox.weight": 0.1}


def factor(name):
    return next((value for end, value in FACTORS.items() if name.endswith(end)), 1)


def make_tensor(name, shape):
    """Numbers that depend on the name alone."""
    random = numpy.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:  # what it sums decides the range: outputs vary as inputs do
        most = (6 / numpy.prod(shape[1:])) ** 0.5
        values = random.uniform(-most, most, shape)
    elif name.endswith("running_var") or ".bn" in name and name.endswith(".weight"):
        values = random.uniform(0.8, 1.2, shape)
    else:
        values = random.uniform(-0.1, 0.1, shape)
    return (factor(name) * values).astype(numpy.float32)


def make_weights(spotter, detector):
    """name -> tensor, as spotter lists them for this detector."""
    words = [spotter, "models", "--tensors", detector]
    listed = json.loads(subprocess.check_output(words, text=True))["tensors"]
    return {one["name"]: make_tensor(one["name"], tuple(one["shape"])) for one in listed}


class Graph:
    """Nodes of an ONNX graph, added one after another. Batch norm is folded into its convolution."""

    def __init__(self, weights):
        import onnx

        self.onnx, self.weights = onnx, weights
        self.nodes, self.constants = [], []

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name, values):
        self.constants.append(self.onnx.numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def conv(self, x, name, output, norm=None, stride=1, groups=1):
        weight, bias = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        if norm:
            scale, shift, mean, variance = (
                self.weights[f"{norm}.{part}"].astype(numpy.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = scale / numpy.sqrt(variance + EPSILON)
            weight = (weight * scale[:, None, None, None]).astype(numpy.float32)
            bias = (shift - mean * scale).astype(numpy.float32)
        inputs = [x, self.constant(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias))
        high, wide = ((side - 1) // 2 for side in weight.shape[2:])
        pads = [high, wide, high, wide]
        return self.add("Conv", inputs, output, kernel_shape=weight.shape[2:], strides=[stride] * 2, pads=pads, group=groups)

    def relu(self, x, output):
        return self.add("Relu", [x], output)

    def dense(self, x, name, output):
        inputs = [x, self.constant(f"{name}.weight", self.weights[f"{name}.weight"])]
        inputs.append(self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))
        return self.add("Gemm", inputs, output, transB=1)


def main_path(graph, x, unit, stride):
    mid = graph.weights[f"{unit}.pw.weight"].shape[0]
    x = graph.relu(graph.conv(x, f"{unit}.conv1", f"{unit}.a", norm=f"{unit}.bn1", stride=stride), f"{unit}.b")
    x = graph.conv(x, f"{unit}.dw", f"{unit}.c", groups=mid)
    x = graph.relu(graph.conv(x, f"{unit}.pw", f"{unit}.d", norm=f"{unit}.bn2"), f"{unit}.e")
    return graph.conv(x, f"{unit}.conv3", f"{unit}.f", norm=f"{unit}.bn3")


def first_unit(graph, x, unit):
    """The pooled input beside the main path."""
    window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    halves = [graph.add("AveragePool", [x], f"{unit}.pool", **window), main_path(graph, x, unit, 2)]
    return graph.relu(graph.add("Concat", halves, f"{unit}.join", axis=1), f"{unit}.out")


def adding_unit(graph, x, unit):
    return graph.relu(graph.add("Add", [main_path(graph, x, unit, 1), x], f"{unit}.sum"), f"{unit}.out")


def backbone(graph, x):
    """The maps that the proposal network and the thin map read."""
    x = graph.relu(graph.conv(x, "backbone.conv1", "stem.conv", norm="backbone.bn1", stride=2), "stem")
    x = graph.add("MaxPool", [x], "stem.pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    maps = []
    for number, units in STAGES.items():
        for unit in range(units):
            name = f"backbone.stage{number}.{unit}"
            x = first_unit(graph, x, name) if unit == 0 else adding_unit(graph, x, name)
        maps.append(x)
    return maps[-2:]


def first_stage(graph, x):
    middle, coarse = backbone(graph, x)
    x = graph.relu(graph.conv(middle, "rpn.conv", "rpn.conv.sum"), "rpn.conv")
    graph.conv(x, "rpn.cls", "rpn.cls")
    graph.conv(x, "rpn.bbox", "rpn.bbox")
    ends = []
    for path in ("col", "row"):
        x = coarse
        for part in (1, 2):
            name = f"light_head.{path}{part}"
            x = graph.relu(graph.conv(x, name, f"{name}.sum"), name)
        ends.append(x)
    graph.add("Add", ends, "thin")


def second_stage(graph, regions):
    x = graph.relu(graph.dense(graph.add("Flatten", [regions], "flat"), "rcnn.fc", "rcnn.fc.sum"), "rcnn.fc")
    graph.dense(x, "rcnn.cls", "rcnn.cls")
    graph.dense(x, "rcnn.bbox", "rcnn.bbox")


def make_onnx(weights, width, height, path):
    """Writes the network for inputs of this size; the number of pictures and of regions are open."""
    graph = Graph(weights)
    first_stage(graph, "input")
    second_stage(graph, "regions")
    helper, real = graph.onnx.helper, graph.onnx.TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("input", real, ["N", 3, height, width]),
        helper.make_tensor_value_info("regions", real, ["R", *POOLED]),
    ]
    ranks = {"rpn.cls": 4, "rpn.bbox": 4, "thin": 4, "rcnn.cls": 2, "rcnn.bbox": 2}
    outputs = [helper.make_tensor_value_info(name, real, [None] * rank) for name, rank in ranks.items()]
    made = helper.make_graph(graph.nodes, "light-head-rcnn-s", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    graph.onnx.checker.check_model(model, full_check=True)
    graph.onnx.save(model, path)
