"""Boxes of two-stage detectors: anchors, deltas, suppression. A box x1, y1, x2, y2 is x2 - x1 + 1 pixels wide."""
import functools

import numpy as np
import torch

RATIOS, SCALES, BASE = (0.5, 1, 2), (2, 4, 8, 16, 32), 16
ANCHORS = len(RATIOS) * len(SCALES)
DEVIATION = (0.1, 0.1, 0.2, 0.2)  # of the second stage's deltas


@functools.lru_cache(maxsize=8)
def anchors(rows, columns, stride):
    """[rows * columns * ANCHORS,4]."""
    base = []
    for ratio in RATIOS:
        width = np.rint(np.sqrt(BASE * BASE / ratio))
        height = np.rint(width * ratio)
        for scale in SCALES:
            x, y = (scale * width - 1) / 2, (scale * height - 1) / 2
            base.append((7.5 - x, 7.5 - y, 7.5 + x, 7.5 + y))
    y, x = np.mgrid[:rows, :columns] * float(stride)
    shifts = np.stack((x, y, x, y), 2)
    return torch.from_numpy((shifts[:, :, None] + np.array(base)).reshape(-1, 4).astype(np.float32))


def middle_and_size(boxes):
    size = boxes[..., 2:] - boxes[..., :2] + 1
    return boxes[..., :2] + 0.5 * (size - 1), size


def encoded(boxes, targets):
    """Deltas [...,4] that decoded() turns boxes into targets with."""
    (middle, size), (aim, aim_size) = middle_and_size(boxes), middle_and_size(targets)
    return torch.cat(((aim - middle) / size, (aim_size / size).log()), -1)


def decoded(boxes, deltas):
    middle, size = middle_and_size(boxes)
    middle, size = middle + deltas[..., :2] * size, size * deltas[..., 2:].exp()
    return torch.cat((middle - 0.5 * (size - 1), middle + 0.5 * (size - 1)), -1)


def clipped(boxes, width, height):
    limit = torch.tensor([width, height, width, height]) - 1.0
    return torch.minimum(boxes.clamp(min=0), limit)


def overlaps(a, b):
    """IoU [len(a),len(b)], pixels counted."""
    size = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2]) + 1).clamp(min=0)
    common = size.prod(2)
    area_a, area_b = ((box[:, 2:] - box[:, :2] + 1).prod(1) for box in (a, b))
    return common / (area_a[:, None] + area_b - common)


def suppressed(boxes, iou, most):
    """Indices of boxes, sorted best first, of which none overlaps a better one by more than iou; at most `most`."""
    meets = (overlaps(boxes, boxes) > iou).numpy()
    alive, kept = np.ones(len(boxes), bool), []
    for i in range(len(boxes)):
        if alive[i]:
            kept.append(i)
            if len(kept) == most:
                break
            alive &= ~meets[i]
    return torch.tensor(kept, dtype=torch.long)
