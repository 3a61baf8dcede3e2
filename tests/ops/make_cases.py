#!/usr/bin/env python3
"""Writes tests/ops/cases: small cases of our own, computed in float64 from the definitions.

    tests/ops/make_cases.py tests/ops/cases

They hold what the shared operator goldens do not: regions that are none, logits that are no
numbers, the second stage's decoding, fully connected layers and softmax. Written to be read beside
the operators' headers; shares nothing with the C code.
"""

import json
import math
import pathlib
import sys

import numpy

NAN, INF = math.nan, math.inf


def number(x):
    x = float(x)
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    return int(x) if abs(x) < 2**31 and x == int(x) else float(f"{x:.9g}")


def tensor(array):
    array = numpy.asarray(array)
    return {"shape": list(array.shape), "values": [number(x) for x in array.ravel()]}


def random(seed, *shape):
    values = numpy.random.RandomState(seed).uniform(-1, 1, shape)
    return values.astype(numpy.float32).astype(numpy.float64)


def fully_connected():
    data, weight, bias = random(1, 3, 2, 2, 5), random(2, 7, 20), random(3, 7)
    output = numpy.maximum(data.reshape(3, 20) @ weight.T + bias, 0)
    return {
        "op": "fully_connected",
        "note": "maps are flattened in the order c, y, x; ReLU",
        "inputs": {"data": tensor(data), "weight": tensor(weight), "bias": tensor(bias)},
        "expected": {"output": tensor(output)},
        "tolerance": {"abs": 1e-5, "rel": 1e-5},
    }


def softmax():
    data = random(4, 6, 9) * 4
    data[1] += 500
    data[2] -= 500
    data[3, 4] = -INF
    exponent = numpy.exp(data - data.max(axis=1, keepdims=True))
    return {
        "op": "softmax",
        "note": "over the last axis; rows that overflow without their maximum taken off",
        "inputs": {"data": tensor(data)},
        "expected": {"output": tensor(exponent / exponent.sum(axis=1, keepdims=True))},
        "tolerance": {"abs": 1e-6, "rel": 1e-5},
    }


ROIS = [
    ("ordinary", [0, 8.2, 17.7, 90.3, 66.1]),
    ("ordinary, second map", [1, 30, 2, 55, 60]),
    ("an unused row", [-1, -1, -1, -1, -1]),
    ("batch index past the last map", [2, 8, 8, 40, 40]),
    ("batch index huge", [1e30, 8, 8, 40, 40]),
    ("batch index between two maps", [0.5, 8, 8, 40, 40]),
    ("batch index NaN", [NAN, 8, 8, 40, 40]),
    ("batch index infinite", [INF, 8, 8, 40, 40]),
    ("x1 NaN", [0, NAN, 8, 40, 40]),
    ("y2 NaN", [0, 8, 8, 40, NAN]),
    ("x2 infinite", [0, 8, 8, INF, 40]),
    ("y1 minus infinite", [0, 8, -INF, 40, 40]),
    ("a coordinate beyond what float32 counts", [0, 8, 8, 3e8, 40]),
    ("inverted", [1, 70, 80, 20, 30]),
    ("as large as allowed", [0, -16777216, -16777216, 16777216, 16777216]),
    ("outside on the right", [1, 4000, 8, 5000, 60]),
    ("ordinary again, after all these", [1, 8.2, 17.7, 90.3, 66.1]),
]
SCALE, GROUP, POOLED, DIM = 1 / 16, 3, 3, 2


def is_region(roi, maps):
    batch, *corners = roi
    return 0 <= batch < maps and batch == int(batch) and all(abs(x) <= 2**24 for x in corners)


def half_away(x):
    return math.copysign(math.floor(abs(x) + 0.5), x)


def pool_span(low, high, index, limit):
    f = numpy.float32
    start, end = f(half_away(low)) * f(SCALE), f(half_away(high) + 1) * f(SCALE)
    size = max(f(end - start), f(0.1)) / f(POOLED)
    first = math.floor(f(f(index) * size) + start)
    last = math.ceil(f(f(index + 1) * size) + start)
    return min(max(first, 0), limit), min(max(last, 0), limit)


def pool_bin(plane, roi, ph, pw):
    y0, y1 = pool_span(roi[2], roi[4], ph, plane.shape[0])
    x0, x1 = pool_span(roi[1], roi[3], pw, plane.shape[1])
    return plane[y0:y1, x0:x1].mean() if y1 > y0 and x1 > x0 else 0


def align_at(start, size, index, sample, limit):
    at = start + size / POOLED * (index + (sample + 0.5) / 2)
    return min(max(at, 0), limit - 1)


def align_bin(plane, roi, ph, pw):
    height, width = plane.shape
    total = 0
    for i in range(2):
        y = align_at(roi[2] * SCALE, max(roi[4] * SCALE - roi[2] * SCALE, 0), ph, i, height)
        for j in range(2):
            x = align_at(roi[1] * SCALE, max(roi[3] * SCALE - roi[1] * SCALE, 0), pw, j, width)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            top = plane[y0, x0] * (1 - (x - x0)) + plane[y0, x1] * (x - x0)
            bottom = plane[y1, x0] * (1 - (x - x0)) + plane[y1, x1] * (x - x0)
            total += top * (1 - (y - y0)) + bottom * (y - y0)
    return total / 4


def regions(op, bin_value):
    data = random(5, 2, DIM * GROUP * GROUP, 6, 7)
    rois = [roi for _, roi in ROIS]
    output = numpy.zeros((len(rois), DIM, POOLED, POOLED))
    for r, roi in enumerate(rois):
        if not is_region(roi, 2):
            continue
        for c in range(DIM):
            for ph in range(POOLED):
                for pw in range(POOLED):
                    plane = data[int(roi[0]), (c * GROUP + ph) * GROUP + pw]
                    output[r, c, ph, pw] = bin_value(plane, roi, ph, pw)
    params = {"spatial_scale": SCALE, "group_size": GROUP, "pooled_size": POOLED, "output_dim": DIM}
    if op == "ps_roi_align":
        params |= {"mode": "clamp_avg", "samples": 2}
    return {
        "op": op,
        "note": "rows that are no region give zeros and disturb no other row",
        "params": params,
        "inputs": {"data": tensor(data), "rois": tensor(rois)},
        "roi_labels": [label for label, _ in ROIS],
        "expected": {"output": tensor(output)},
        "tolerance": {"abs": 1e-5, "rel": 1e-5},
    }


def decode(box, delta, coding):
    inset = 1 if coding == "m1" else 0
    out = [0.0] * 4
    for axis in range(2):
        side = box[axis + 2] - box[axis] + 1
        centre = box[axis] + 0.5 * (side - inset) + delta[axis] * side
        half = 0.5 * (side * math.exp(min(delta[axis + 2], 700)) - inset)
        out[axis], out[axis + 2] = centre - half, centre + half
    return out


def clip(box, image):
    limits = [image["width"] - 1, image["height"] - 1] * 2
    return [x if math.isnan(x) else min(max(x, 0), limit) for x, limit in zip(box, limits)]


def rcnn_case(label, rois, probabilities, deltas, coding, threshold, capacity):
    image = {"height": 90, "width": 120, "scale": 1.5}
    factors = [0.1, 0.1, 0.2, 0.2]
    found = []
    for c in range(1, probabilities.shape[1]):
        column = 4 * c if deltas.shape[1] == 4 * probabilities.shape[1] else 4
        for r, roi in enumerate(rois):
            if roi[0] != 0 or not probabilities[r, c] > threshold:
                continue
            scaled = [d * f for d, f in zip(deltas[r, column : column + 4], factors)]
            box = [x / image["scale"] for x in clip(decode(roi[1:], scaled, coding), image)]
            if not any(math.isnan(x) for x in box):
                found.append([*box, probabilities[r, c], c - 1])
    found.sort(key=lambda row: -row[4])  # stable: class, then region
    found = found[:capacity]
    found += [[-1] * 6] * (capacity - len(found))
    return {
        "label": label,
        "box_coding": coding,
        "score_threshold": threshold,
        "image": image,
        "max_candidates": capacity,
        "rois": tensor(rois),
        "probabilities": tensor(probabilities),
        "deltas": tensor(deltas),
        "expected": tensor([found]),
    }


def rcnn_decode():
    generator = numpy.random.RandomState(6)
    corners = generator.uniform(0, 60, (8, 2))
    rois = numpy.hstack([numpy.zeros((8, 1)), corners, corners + generator.uniform(1, 60, (8, 2))])
    rois = rois.astype(numpy.float32).astype(numpy.float64)
    rois[6:] = -1
    classes = 4
    # multiples of 1/32, so that equal scores and one equal to the threshold occur
    probabilities = generator.randint(0, 16, (8, classes)) / 32
    probabilities[0, 2] = probabilities[3, 1] = 0.25
    agnostic, each = random(7, 8, 8) * 2, random(8, 8, 4 * classes) * 2
    broken = agnostic.copy()
    broken[1, 4] = NAN  # this region's boxes are dropped
    broken[2, 6] = 1000  # infinitely wide, cut by the picture
    broken[4, 0] = NAN  # the background's columns are never read
    uncertain = probabilities.copy()
    uncertain[5] = NAN
    return {
        "op": "rcnn_decode",
        "note": "score > threshold; score descending, then class, then region; last two rows unused",
        "cases": [
            rcnn_case("class-agnostic", rois, probabilities, agnostic, "m1", 0.25, 32),
            rcnn_case("boxes of each class", rois, probabilities, each, "m1", 0.25, 32),
            rcnn_case("legacy coding", rois, probabilities, agnostic, "legacy", 0.25, 32),
            rcnn_case("more than fit", rois, probabilities, agnostic, "m1", 0.03, 5),
            rcnn_case("deltas that are no numbers", rois, probabilities, broken, "m1", 0.1, 32),
            rcnn_case("probabilities that are none", rois, uncertain, agnostic, "m1", 0.1, 32),
        ],
        "tolerance": {"abs": 1e-4, "rel": 1e-6},
    }


def proposals():
    """One anchor a cell, so far apart that none suppresses another."""
    height, width = 2, 4
    background = numpy.zeros((height, width))
    objects = numpy.array([[0.5, NAN, INF, 2], [-1, 0.5, -INF, 90]])
    deltas = numpy.zeros((4, height, width))
    deltas[0, 0, 3] = NAN  # dx of the cell with logit 2
    deltas[2, 1, 0] = 200  # infinitely wide, cut by the picture
    image = {"height": 32, "width": 60, "scale": 1}
    cells = []
    for y in range(height):
        for x in range(width):
            margin, delta = objects[y, x], deltas[:, y, x]
            anchor = [16 * x, 16 * y, 16 * x + 15, 16 * y + 15]
            if math.isfinite(margin) and not numpy.isnan(delta).any():
                box = clip(decode(anchor, delta, "m1"), image)
                cells.append((y * width + x, 1 / (1 + math.exp(-margin)), box))
    cells.sort(key=lambda cell: -cell[1])
    return {
        "op": "proposals",
        "note": "logits and deltas that are no numbers make no proposal; the cells end outside the picture",
        "params": {"stride": 16, "base_size": 16, "ratios": [1], "scales": [1]},
        "inputs": {
            "cls_split_layout": tensor([background, objects]),
            "cls_pair_layout": tensor([background, objects]),
            "bbox": tensor(deltas),
        },
        "cases": [
            {
                "label": "not finite",
                "params": {
                    "pre_nms_top_n": 8,
                    "post_nms_top_n": 8,
                    "nms_threshold": 0.7,
                    "min_size": 0,
                    "box_coding": "m1",
                    "image": image,
                },
                "expected": {
                    "count": len(cells),
                    "anchor_index": [index for index, _, _ in cells],
                    "scores": [number(score) for _, score, _ in cells],
                    "boxes": tensor([box for _, _, box in cells]),
                },
            }
        ],
        "tolerance": {"score_abs": 1e-6, "box_abs": 1e-3},
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    cases = {
        "fully_connected": fully_connected(),
        "softmax": softmax(),
        "ps_roi_pool_no_region": regions("ps_roi_pool", pool_bin),
        "ps_roi_align_no_region": regions("ps_roi_align", align_bin),
        "rcnn_decode": rcnn_decode(),
        "proposals_not_finite": proposals(),
    }
    for name, case in cases.items():
        members = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items()]
        (folder / f"{name}.json").write_text("{\n" + ",\n".join(members) + "\n}\n")


if __name__ == "__main__":
    main()
