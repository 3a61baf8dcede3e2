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


def norm_place(network, name):
    """The module that holds the batch norm behind the convolution of this name, and its name there: the next in a sequence,
    or the partner in a head."""
    parent, last = name.rsplit(".", 1)
    return network.get_submodule(parent), {"depthwise": "dwnorm", "pointwise": "pwnorm"}.get(last) or str(int(last) + 1)


def norm_of(network, name):
    return getattr(*norm_place(network, name))


def convolutions(network):
    return [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]


def with_norm(network, name, conv):
    """Weight and bias, float64, of a convolution with its batch norm in it."""
    weight = conv.weight.double()
    if conv.bias is not None:
        return weight, conv.bias.double()
    norm = norm_of(network, name)
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + EPSILON)
    return weight * scale[:, None, None, None], norm.bias.double() - norm.running_mean.double() * scale


@torch.no_grad()
def folded(network):
    """<conv>.weight and <conv>.bias of every convolution with its batch norm in it, float16."""
    out = {}
    for name, conv in convolutions(network):
        weight, bias = with_norm(network, name, conv)
        out[f"{name}.weight"] = weight.contiguous().numpy().astype("<f2")
        out[f"{name}.bias"] = bias.numpy().astype("<f2")
    return out


@torch.no_grad()
def drop_norms(network):
    """Puts every batch norm into its convolution for good; the network then learns without any."""
    for name, conv in convolutions(network):
        if conv.bias is None:
            weight, bias = with_norm(network, name, conv)
            conv.weight.copy_(weight)
            conv.bias = nn.Parameter(bias.float())
            setattr(*norm_place(network, name), nn.Identity())


@torch.no_grad()
def unfold(network, path, batches):
    """
    Fills a network from a folded file: every norm gets the statistics that its convolution has on these batches (inputs
    of the network), and the scale and shift that undo them. Tensors of another shape keep what they have.
    """
    tensors, _ = read_safetensors(path)
    for name, conv in convolutions(network):
        if conv.weight.shape != tensors[f"{name}.weight"].shape:
            continue
        conv.weight.copy_(torch.from_numpy(tensors[f"{name}.weight"]))
        bias = torch.from_numpy(tensors[f"{name}.bias"])
        if conv.bias is not None:
            conv.bias.copy_(bias)
            continue
        norm = norm_of(network, name)  # first the identity and the bias
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - EPSILON)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)
    sums = {}

    def watch(name):
        def hook(_module, _inputs, out):
            sums.setdefault(name, []).append((out.mean((0, 2, 3)), (out * out).mean((0, 2, 3))))
        return hook

    hooks = [conv.register_forward_hook(watch(name)) for name, conv in convolutions(network) if conv.bias is None]
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
