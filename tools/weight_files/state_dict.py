"""From the names of a checkpoint to those that a detector expects, and what does not fit.

`expected` is what `spotter models --tensors` prints.
"""

import fnmatch

import numpy as np

from . import WeightFileError

# What training puts in front of names; the first of those that fit best is taken.
# avg_model is the moving average that NanoDet evaluates, beside the weights as trained.
AVERAGES = ("avg_model.", "model.avg_model.")
PREFIXES = (*AVERAGES, "", "module.", "model.", "model.module.")

# Tensors of training that no detection needs.
LEFT_OUT = {
    "*.num_batches_tracked": "counters of batch norm",
    "aux_fpn.*": "auxiliary neck of NanoDet-Plus, for training",
    "aux_head.*": "auxiliary head of NanoDet-Plus, for training",
    "head.gfl_reg.*": "never used: classes and boxes share head.gfl_cls",
    "head.distribution_project.project": "the numbers 0, 1, … reg_max",
    "head.project": "the numbers 0, 1, … reg_max",
    "model.*.anchors": "the anchors, which are the expected ones",
    "model.*.anchor_grid": "the anchors, which are the expected ones",
}

# YOLOv5's own, in network pixels; spotter has them built in.
YOLO_ANCHORS = np.array(
    [
        [[10, 13], [16, 30], [33, 23]],
        [[30, 61], [62, 45], [59, 119]],
        [[116, 90], [156, 198], [373, 326]],
    ],
    float,
)
YOLO_STRIDES = np.array([8, 16, 32], float).reshape(3, 1, 1)

EPSILON = 1e-5  # of PyTorch's batch norm
LISTED_MAX = 20  # names that a message lists


def weight_names(expected):
    return {layer["name"] + ".weight" for layer in expected["layers"]}


def strip_prefix(tensors, expected, average=True):
    """(tensors without the prefix they share, names of the copies that were left)."""
    wanted = weight_names(expected)
    prefixes = PREFIXES if average else PREFIXES[len(AVERAGES) :]

    def fit(prefix):
        return sum(prefix + name in tensors for name in wanted)

    best = max(prefixes, key=fit)
    if fit(best) == 0:
        return tensors, []
    copies = [p for p in PREFIXES if p not in ("", best) and not best.startswith(p)]
    kept, left = {}, []
    for name, tensor in tensors.items():
        if best and name.startswith(best):
            kept[name[len(best) :]] = tensor
        elif best and any(name.startswith(p) for p in copies):
            left.append(name)
        else:
            kept[name] = tensor
    return kept, left


def _check_anchors(name, tensor):
    """Anchors that were fitted to a data set would be replaced by the built-in ones in silence."""
    found = np.asarray(tensor, float).reshape(-1, 2) if tensor.size % 2 == 0 else np.empty((0, 2))
    anchors = YOLO_ANCHORS if name.endswith("grid") else YOLO_ANCHORS / YOLO_STRIDES
    anchors = anchors.reshape(-1, 2)
    if found.shape != anchors.shape or not np.allclose(found, anchors, rtol=2e-3):
        raise WeightFileError(
            f"the anchors in '{name}' are not YOLOv5's own, which spotter has built in"
        )


def leave_out(tensors, expected):
    """(tensors that may matter, {why: how many were left out})."""
    wanted = {tensor["name"] for tensor in expected["tensors"]}
    kept, counts = {}, {}
    for name, tensor in tensors.items():
        why = next((w for p, w in LEFT_OUT.items() if fnmatch.fnmatchcase(name, p)), None)
        if why is None or name in wanted:
            kept[name] = tensor
            continue
        if name.endswith((".anchors", ".anchor_grid")):
            _check_anchors(name, tensor)
        counts[why] = counts.get(why, 0) + 1
    return kept, counts


def _norm(tensors, prefix):
    """(factor, shift) of a batch norm, in double; takes its tensors away."""
    scale, shift, mean, variance = (
        tensors.pop(f"{prefix}.{part}").astype(float)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return scale, shift, mean, variance


def _fold(weight, bias, norm, epsilon):
    """Weight and bias of a convolution with the batch norm after it, in double."""
    scale, shift, mean, variance = norm
    factor = scale / np.sqrt(variance + epsilon)
    weight = weight.astype(float) * factor.reshape(-1, *[1] * (weight.ndim - 1))
    return weight, shift + (bias - mean) * factor


def merge_repvgg(tensors):
    """The branches of RepVGG's training form merged into its 3x3 convolutions (section 3.3)."""
    tensors = dict(tensors)
    mark = ".rbr_dense.0.weight"
    for name in [n for n in tensors if n.endswith(mark)]:
        prefix = name[: -len(mark)]
        try:
            dense = tensors.pop(name)
            weight, bias = _fold(dense, 0, _norm(tensors, f"{prefix}.rbr_dense.1"), EPSILON)
            one = tensors.pop(f"{prefix}.rbr_1x1.0.weight")
            one, shift = _fold(one, 0, _norm(tensors, f"{prefix}.rbr_1x1.1"), EPSILON)
            weight[:, :, 1:2, 1:2] += one
            bias = bias + shift
            if f"{prefix}.rbr_identity.weight" in tensors:
                same = np.eye(weight.shape[0]).reshape(weight.shape[0], -1, 1, 1)
                same, shift = _fold(same, 0, _norm(tensors, f"{prefix}.rbr_identity"), EPSILON)
                weight[:, :, 1:2, 1:2] += same
                bias = bias + shift
        except KeyError as missing:
            raise WeightFileError(f"tensor {missing} is missing beside '{name}'") from None
        except ValueError:
            raise WeightFileError(f"the branches beside '{name}' differ in shape") from None
        tensors[f"{prefix}.rbr_reparam.weight"] = weight.astype("<f4")
        tensors[f"{prefix}.rbr_reparam.bias"] = bias.astype("<f4")
    return tensors


def fold_batch_norm(tensors, expected):
    """Every batch norm folded into the convolution before it."""
    tensors = dict(tensors)
    for layer in expected["layers"]:
        if "norm" not in layer:
            continue
        weight, bias = f"{layer['name']}.weight", f"{layer['name']}.bias"
        old_bias = tensors[bias].astype(float) if bias in tensors else 0
        norm = _norm(tensors, layer["norm"])
        folded = _fold(tensors[weight], old_bias, norm, layer["epsilon"])
        tensors[weight], tensors[bias] = (part.astype("<f4") for part in folded)
    return tensors


def to_dtype(tensors, dtype):
    """Float tensors in one dtype; numbers that are not finite in it are refused."""
    out = {}
    for name, tensor in tensors.items():
        with np.errstate(over="ignore"):
            converted = tensor.astype(dtype)
        if not np.isfinite(tensor).all():
            raise WeightFileError(f"tensor '{name}' has elements that are not finite")
        if not np.isfinite(converted).all():
            raise WeightFileError(
                f"tensor '{name}' has elements beyond what {np.dtype(dtype).name} holds"
            )
        out[name] = converted
    return out


def _listed(title, lines):
    if not lines:
        return []
    more = [f"    and {len(lines) - LISTED_MAX} more"] if len(lines) > LISTED_MAX else []
    return [f"  {title} ({len(lines)}):", *("    " + line for line in lines[:LISTED_MAX]), *more]


def differences(tensors, expected):
    """Lines that say what is missing, unknown or of another shape; none when everything fits."""
    shapes = {tensor["name"]: tensor["shape"] for tensor in expected["tensors"]}
    missing = [f"{name} {shape}" for name, shape in shapes.items() if name not in tensors]
    unknown = [f"{name} {list(t.shape)}" for name, t in tensors.items() if name not in shapes]
    other = [
        f"{name} has {list(tensors[name].shape)}, expected {shape}"
        for name, shape in shapes.items()
        if name in tensors and list(tensors[name].shape) != shape
    ]
    return [
        *_listed("missing", missing),
        *_listed("unknown", unknown),
        *_listed("another shape", other),
    ]
