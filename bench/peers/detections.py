"""What lies on both sides of a network, in numpy: a picture to its input, raw outputs to detections.

spotter has its own; this is for other runtimes, whose detections accuracy.py measures. The arithmetic and what is
asked for (confidence, overlap, number) are those of `spotter eval` (server/eval/protocol.c): every class of a prior
above the confidence counts, not the best alone. Outputs are those of the ONNX files, in their order.
"""

import dataclasses
import typing

import numpy

STRIDES = (8, 16, 32)


class Placement(typing.NamedTuple):
    """Where a picture lies in the input: input = picture * scale + pad, both x then y."""

    scale: tuple
    pad: tuple


def interpolate(picture, count, axis):
    """One axis resized to `count`: bilinear, half-pixel centres, edges repeated, no anti-aliasing."""
    length = picture.shape[axis]
    at = (numpy.arange(count) + 0.5) * (length / count) - 0.5
    first = numpy.floor(at).astype(int)
    shape = [1, 1, 1]
    shape[axis] = count
    share = (at - first).astype(numpy.float32).reshape(shape)
    low, high = (picture.take(numpy.clip(one, 0, length - 1), axis) for one in (first, first + 1))
    return low * (1 - share) + high * share


def letterbox(picture, side, fill):
    """[H,W,3] in a square with its sides' ratio kept, and its placement."""
    height, width = picture.shape[:2]
    ratio = min(side / width, side / height)
    wide, high = (max(1, int(length * ratio + 0.5)) for length in (width, height))
    left, top = (side - wide) // 2, (side - high) // 2
    canvas = numpy.full((side, side, 3), fill, numpy.float32)
    resized = interpolate(interpolate(picture.astype(numpy.float32), wide, 1), high, 0)
    canvas[top : top + high, left : left + wide] = resized
    return canvas, Placement((ratio, ratio), (left, top))


def fixed_taps(length, count, clamps):
    """First pixel and both weights in 1/2048 of each result, as OpenCV computes them."""
    at = ((numpy.arange(count) + 0.5) * (1.0 / (count / length)) - 0.5).astype(numpy.float32)
    first = numpy.floor(at).astype(int)
    share = at - first.astype(numpy.float32)
    if clamps:
        share[(first < 0) | (first >= length - 1)] = 0
        first = numpy.clip(first, 0, length - 1)
    return first, numpy.rint((1 - share) * 2048).astype(int), numpy.rint(share * 2048).astype(int)


def stretch(picture, side):
    """[H,W,3] of 8 bits to a square, rounded to 8 bits: OpenCV's fixed-point bilinear resize."""
    height, width = picture.shape[:2]
    pixels = picture.astype(int)
    if (height, width) == (2 * side, 2 * side):
        return (pixels.reshape(side, 2, side, 2, 3).sum((1, 3)) + 2) >> 2
    x, left, right = fixed_taps(width, side, clamps=True)
    rows = pixels[:, x] * left[:, None] + pixels[:, numpy.minimum(x + 1, width - 1)] * right[:, None]
    y, above, below = fixed_taps(height, side, clamps=False)
    high, low = (rows[numpy.clip(one, 0, height - 1)] >> 4 for one in (y, y + 1))
    return ((above[:, None, None] * high >> 16) + (below[:, None, None] * low >> 16) + 2) >> 2


def planes(pixels):
    """[S,S,3] to the input of a network, [1,3,S,S]."""
    return numpy.ascontiguousarray(pixels.transpose(2, 0, 1)[None], numpy.float32)


def prepare_nanodet(picture, side):
    canvas, placement = letterbox(picture[:, :, ::-1], side, 0)
    return planes((canvas - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)), placement


def prepare_yolov5(picture, side):
    canvas, placement = letterbox(picture, side, 114)
    return planes(canvas / 255), placement


def prepare_rfsong(picture, side):
    height, width = picture.shape[:2]
    placement = Placement((side / width, side / height), (0, 0))
    return planes(stretch(picture[:, :, ::-1], side) - (104, 117, 123)), placement


def cells(rows, columns):
    """The column and row of each cell, row after row: [rows*columns] twice."""
    y, x = numpy.mgrid[:rows, :columns]
    return x.ravel(), y.ravel()


def sigmoid(logits):
    return 1 / (1 + numpy.exp(-logits))


def corners(cx, cy, width, height):
    return numpy.stack([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2], -1)


def decode_nanodet(outputs, side):
    """Scores [P,80] and boxes [P,4] in pixels of the input. Sides are distributions over 0 to 7 strides."""
    rows = outputs[0].reshape(-1, 80 + 4 * 8)
    priors = []
    for stride in STRIDES:
        x, y = cells(side // stride, side // stride)
        priors.append(numpy.stack([(x + 0.5) * stride, (y + 0.5) * stride, numpy.full(x.shape, stride)], -1))
    cx, cy, stride = numpy.concatenate(priors).T
    shares = rows[:, 80:].reshape(-1, 4, 8)
    shares = numpy.exp(shares - shares.max(-1, keepdims=True))
    left, top, right, bottom = (shares @ numpy.arange(8) / shares.sum(-1)).T * stride
    return rows[:, :80], numpy.stack([cx - left, cy - top, cx + right, cy + bottom], -1)


ANCHORS = {
    8: ((10, 13), (16, 30), (33, 23)),
    16: ((30, 61), (62, 45), (59, 119)),
    32: ((116, 90), (156, 198), (373, 326)),
}


def decode_yolov5(outputs, side):
    scores, boxes = [], []
    for (stride, anchors), output in zip(ANCHORS.items(), outputs):
        x, y = cells(side // stride, side // stride)
        for (width, height), rows in zip(anchors, sigmoid(output.reshape(3, -1, 85))):
            scores.append(rows[:, 4:5] * rows[:, 5:])
            cx, cy = (2 * rows[:, 0] - 0.5 + x) * stride, (2 * rows[:, 1] - 0.5 + y) * stride
            boxes.append(corners(cx, cy, (2 * rows[:, 2]) ** 2 * width, (2 * rows[:, 3]) ** 2 * height))
    return numpy.concatenate(scores), numpy.concatenate(boxes)


# RFSong's levels: side of the map, stride, least and most size, ratio of the most, other ratios
LEVELS = (
    (38, 8, 26, 60, 0.8, (0.4, 1.0, 1.5)),
    (19, 16, 60, 111, 0.8, (0.4, 1.0, 1.6)),
    (10, 32, 111, 162, 0.8, (0.5, 1.1, 1.6)),
    (5, 64, 162, 213, 0.9, (0.5, 1.1, 1.6)),
    (3, 100, 213, 264, 1.0, (0.5, 1.1, 1.6)),
    (1, 300, 264, 315, 1.0, (0.7, 1.4)),
)


def rfsong_priors(side):
    """Centre and size of each prior, as shares of the input, each of the four within 0 to 1: [P,4]."""
    priors = []
    for map_side, stride, least, most, last, ratios in LEVELS:
        x, y = cells(map_side, map_side)
        sizes = [((least * most) ** 0.5, last), *((least, ratio) for ratio in ratios)]
        shapes = numpy.array([(size * ratio**0.5, size / ratio**0.5) for size, ratio in sizes])
        centres = numpy.stack([(x + 0.5) * stride, (y + 0.5) * stride], -1)
        of_cells = numpy.concatenate(
            [numpy.repeat(centres, len(shapes), axis=0), numpy.tile(shapes, (len(centres), 1))], -1
        )
        priors.append(of_cells)
    return numpy.clip(numpy.concatenate(priors) / side, 0, 1)


def decode_rfsong(outputs, side):
    offsets, scores = outputs[0].reshape(-1, 4), outputs[1].reshape(-1, 2)
    priors = rfsong_priors(side)
    centres = priors[:, :2] + offsets[:, :2] * 0.1 * priors[:, 2:]
    sizes = priors[:, 2:] * numpy.exp(0.2 * offsets[:, 2:])
    return scores[:, 1:], corners(*centres.T, *sizes.T) * side


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a family of detectors is evaluated."""

    prepare: typing.Callable  # 8-bit RGB picture [H,W,3] and side -> input, placement
    decode: typing.Callable  # outputs and side -> scores [P,classes], boxes [P,4] in pixels of the input
    confidence: float
    iou: float
    most: int  # detections of a picture
    pixel: int = 0  # 1: the sides of boxes that are compared count both ends
    labels: tuple = ()  # classes in their order; none: all categories of the annotations in theirs
    figure: str = "AP"
    only_with_objects: bool = False  # pictures without an object play no part


RECIPES = {
    "nanodet": Recipe(prepare_nanodet, decode_nanodet, 0.05, 0.6, 100),
    "yolov5": Recipe(prepare_yolov5, decode_yolov5, 0.001, 0.6, 300),
    "rfsong": Recipe(
        *(prepare_rfsong, decode_rfsong, 0.05, 0.45, 1000),
        **dict(pixel=1, labels=("person",), figure="VOC11", only_with_objects=True),
    ),
}


def recipe_of(network):
    """None for a family that has none here."""
    return RECIPES.get(network.detector.split("-")[0])


def suppress(boxes, classes, recipe):
    """Indices of the boxes that stay, of a list with the best first: greedy, each class by itself."""
    left, top, right, bottom = boxes.T
    areas = (right - left + recipe.pixel) * (bottom - top + recipe.pixel)
    kept, rest = [], numpy.arange(len(boxes))
    while len(rest) > 0 and len(kept) < recipe.most:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        wide = numpy.minimum(right[best], right[rest]) - numpy.maximum(left[best], left[rest]) + recipe.pixel
        high = numpy.minimum(bottom[best], bottom[rest]) - numpy.maximum(top[best], top[rest]) + recipe.pixel
        both = numpy.maximum(wide, 0) * numpy.maximum(high, 0)
        overlaps = both > recipe.iou * (areas[best] + areas[rest] - both)
        rest = rest[~overlaps | (classes[rest] != classes[best])]
    return numpy.array(kept, int)


def detect(recipe, outputs, side, placement, width, height):
    """
    Classes [N], scores [N] and boxes [N,4] (left, top, right, bottom in pixels of the picture), the best first. Boxes
    are compared whole and end at the picture's edges afterwards.
    """
    scores, boxes = recipe.decode(outputs, side)
    rows, classes = numpy.nonzero(scores >= recipe.confidence)
    scores = scores[rows, classes]
    order = numpy.argsort(-scores, kind="stable")  # by row where scores are equal
    rows, classes, scores = rows[order], classes[order], scores[order]
    boxes = (boxes[rows].astype(numpy.float64) - placement.pad * 2) / (placement.scale * 2)
    kept = suppress(boxes, classes, recipe)
    return classes[kept], scores[kept], numpy.clip(boxes[kept], 0, (width, height, width, height))
