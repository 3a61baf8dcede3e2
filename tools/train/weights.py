"""Safetensors files with batch norm folded, as spotter reads them, and back to networks that can be trained on."""
import json
import struct

import numpy as np
import torch
import torch.nn as nn

EPSILON = 1e-5


def write_safetensors(path, tensors, metadata):
    """float16 tensors by name; metadata maps text to text."""
    header, offset = {"__metadata__": metadata}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(values.tobytes())


def read_safetensors(path):
    """Float32 tensors by name, and the metadata."""
    raw = open(path, "rb").read()
    length, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
        first, last = (8 + length + at for at in entry["data_offsets"])
        tensors[name] = np.frombuffer(raw[first:last], kind).reshape(entry["shape"]).astype(np.float32)
    return tensors, metadata


NORMS = {"depthwise": "dwnorm", "pointwise": "pwnorm", "conv": "norm", "conv1": "bn1", "pw": "bn2", "conv3": "bn3"}


def norm_place(network, name):
    """The module that holds the batch norm behind the layer of this name, and its name there, if there is one: a partner, or
    the next in a sequence."""
    parent, _, last = name.rpartition(".")
    return network.get_submodule(parent), NORMS.get(last) or (str(int(last) + 1) if last.isdigit() else f"{last}_norm")


def norm_of(network, name):
    return getattr(*norm_place(network, name))


def layers(network):
    """Names and modules of convolutions and fully connected layers."""
    return [(name, module) for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def normed(network):
    """Names and modules of the layers with a batch norm."""
    return [(name, layer) for name, layer in layers(network) if layer.bias is None and hasattr(*norm_place(network, name))]


def with_norm(network, name, layer):
    """Weight and bias, float64, of a layer with its batch norm in it; None where there is no bias."""
    weight = layer.weight.double()
    if layer.bias is not None:
        return weight, layer.bias.double()
    if not hasattr(*norm_place(network, name)):
        return weight, None
    norm = norm_of(network, name)
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + EPSILON)
    return weight * scale[:, None, None, None], norm.bias.double() - norm.running_mean.double() * scale


@torch.no_grad()
def folded(network):
    """<layer>.weight and <layer>.bias, where it or its batch norm has one, of every layer with its norm in it, float16."""
    out = {}
    for name, layer in layers(network):
        weight, bias = with_norm(network, name, layer)
        out[f"{name}.weight"] = weight.contiguous().numpy().astype("<f2")
        if bias is not None:
            out[f"{name}.bias"] = bias.numpy().astype("<f2")
    return out


@torch.no_grad()
def drop_norms(network):
    """Puts every batch norm into its layer for good; the network then learns without any."""
    for name, layer in normed(network):
        weight, bias = with_norm(network, name, layer)
        layer.weight.copy_(weight)
        layer.bias = nn.Parameter(bias.float())
        setattr(*norm_place(network, name), nn.Identity())


@torch.no_grad()
def fill(network, tensors):
    """
    Makes a network compute what a folded file says: norms become the identity and the bias. Tensors of another shape
    keep what they have.
    """
    norms = {name for name, _ in normed(network)}
    for name, layer in layers(network):
        if layer.weight.shape != tensors[f"{name}.weight"].shape:
            continue
        layer.weight.copy_(torch.from_numpy(tensors[f"{name}.weight"]))
        if f"{name}.bias" not in tensors:
            continue
        bias = torch.from_numpy(tensors[f"{name}.bias"])
        if name not in norms:
            layer.bias.copy_(bias)
            continue
        norm = norm_of(network, name)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - EPSILON)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)


@torch.no_grad()
def unfold(network, path, batches):
    """
    Fills a network from a folded file: every norm gets the statistics that its layer has on these batches (inputs of the
    network), and the scale and shift that undo them. Tensors of another shape keep what they have.
    """
    fill(network, read_safetensors(path)[0])
    sums = {}

    def watch(name):
        def hook(_module, _inputs, out):
            sums.setdefault(name, []).append((out.mean((0, 2, 3)), (out * out).mean((0, 2, 3))))
        return hook

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in normed(network)]
    network.eval()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for name, moments in sums.items():
        norm = norm_of(network, name)
        mean, square = (torch.stack(values).mean(0) for values in zip(*moments))
        variance = (square - mean * mean).clamp(min=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + EPSILON).sqrt())
        norm.bias.add_(mean)
    network.train()
