"""Writes ncnn models: .param and .bin, from a detector's list of layers or from an ONNX file."""

import struct

import numpy as np

F16_FLAG = 0x01306B47


class Writer:
    def __init__(self):
        self.lines, self.data, self.blobs = ["Input in 0 1 in"], b"", {"in"}

    def layer(self, kind, name, inputs, outputs, parameters=""):
        words = [kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, parameters]
        self.lines.append(" ".join(words).rstrip())
        self.blobs.update(outputs)

    def convolution(self, name, inputs, outputs, weight, bias, half=True, strides=1):
        out, per_group, height, width = weight.shape
        group = out if per_group == 1 and out > 1 else 1
        kind = "ConvolutionDepthWise" if group > 1 else "Convolution"
        parameters = (
            f"0={out} 1={width} 11={height} 3={strides} 5={int(bias is not None)} 6={weight.size}"
        )
        if group > 1:
            parameters += f" 7={group}"
        # an array parameter and one of the fused activation, as ncnnoptimize leaves them
        self.layer(kind, name, inputs, outputs, parameters + " 9=2 -23310=1,0.1")
        if half:
            raw = weight.astype("<f2").tobytes()
            self.data += struct.pack("<I", F16_FLAG) + raw + b"\0" * (-len(raw) % 4)
        else:
            self.data += struct.pack("<I", 0) + weight.astype("<f4").tobytes()
        if bias is not None:
            self.data += bias.astype("<f4").tobytes()

    def save(self, folder):
        head = ["7767517", f"{len(self.lines)} {len(self.blobs)}"]
        (folder / "m.param").write_text("\n".join([*head, *self.lines, ""]))
        (folder / "m.bin").write_bytes(self.data)
        return folder / "m.param", folder / "m.bin"


def from_list(expected, weights, half=True):
    """A writer with the layers that `spotter models --tensors` lists, joined where several meet."""
    writer = Writer()
    for k, layer in enumerate(expected["layers"]):
        name, sources = layer["name"], [f"b_{n}" for n in layer["after"]] or ["in"]
        if len(sources) > 1:
            writer.layer("Concat", f"join_{k}", sources, [f"j_{k}"], "0=0")
            sources = [f"j_{k}"]
        pair = weights[name + ".weight"], weights.get(name + ".bias")
        writer.convolution(f"Conv_{k}", sources, [f"b_{name}"], *pair, half=half)
    return writer


# ---- ONNX: as much of protobuf as its files need ----


def _fields(data):
    """(number, value) of a message; values are integers or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, data[at : at + size]
            at += size


def _all(data, number):
    return [value for key, value in _fields(data) if key == number]


def _dims(data):
    values = []
    for entry in _all(data, 1):  # one by one, or packed
        values += [entry] if isinstance(entry, int) else [v for _, v in _fields_of_varints(entry)]
    return values


def _fields_of_varints(data):
    value = shift = 0
    for byte in data:
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            yield 0, value
            value = shift = 0


def from_onnx(path):
    """(a writer with an ONNX file's graph in its order and without its names, its weights)."""
    with open(path, "rb") as file:
        (graph,) = _all(file.read(), 7)
    weights = {}
    for tensor in _all(graph, 5):
        (name,), (kind,) = _all(tensor, 8), _all(tensor, 2)
        if kind == 1:
            values = np.frombuffer(_all(tensor, 9)[0], "<f4")
            weights[name.decode()] = values.reshape(_dims(tensor))
    writer, known = Writer(), {_all(_all(graph, 11)[0], 1)[0].decode(): "in"}
    for k, node in enumerate(_all(graph, 1)):
        inputs = [name.decode() for name in _all(node, 1)]
        outputs = [f"{k}_{i}" for i in range(len(_all(node, 2)))]
        kind = _all(node, 4)[0].decode()
        sources = [known[name] for name in inputs if name in known]
        known.update(zip((name.decode() for name in _all(node, 2)), outputs))
        if kind == "Conv":
            pair = weights[inputs[1]], weights[inputs[2]]
            writer.convolution(f"{kind}_{k}", sources, outputs, *pair, half=False)
        elif sources:
            writer.layer(kind, f"{kind}_{k}", sources, outputs)
    return writer, weights
