"""Composes a picture: background, patterns, codes seen by a pinhole camera, then light, lens, sensor and JPEG.

Codes keep apart from each other; some leave the frame, their box ends there. What nobody could tell as a code, with
modules far below a pixel or blurred away, is not made. That is judged in the pixels that a detector gets to see, which scales
pictures down to its input: limits are in pixels of a picture whose longer side is SIDE.
"""
import json
import math
import random

import cv2
import numpy as np

from codes import CLASSES, LINEAR, PDF417
from sticker import OVERSAMPLING, sticker
from surfaces import colour, noise, package, paper, pattern, write

CLASS_SHARES = [0.21, 0.20, 0.17, 0.18, 0.24]
CODES_MAX = 4
SIDE = 352
SHORTEST = 24            # of the longer side of a code
NARROWEST = 7            # of its other side
VISIBLE_MIN = 0.6        # share of a code inside the frame
MODULE_MIN = {LINEAR: 0.4, PDF417: 0.4}
MATRIX_MODULE_MIN = 0.8


class Sources:
    """Codes and background photographs, read once."""

    def __init__(self, codes, photos):
        self.codes = [[] for _ in CLASSES]
        for row in json.loads((codes / "index.json").read_text()):
            row["picture"] = cv2.imread(str(codes / row["file"]), cv2.IMREAD_GRAYSCALE)
            self.codes[row["class"]].append(row)
        self.photos = [cv2.imread(str(path)) for path in sorted(photos.glob("*.jpg"))]


def camera(r, centre, size):
    """The homography of a patch that is turned and tilted around `centre`, before it is moved into the frame."""
    kind = r.random()
    angle = r.gauss(0, 6) if kind < 0.5 else r.gauss(0, 6) + 90 * r.randrange(4) if kind < 0.65 else r.uniform(0, 360)
    turn = math.radians(angle)
    spread = 0.35 if r.random() < 0.6 else 0.08
    nod, yaw = (min(0.95, max(-0.95, r.gauss(0, spread))) for _ in range(2))
    about_z = [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, math.cos(nod), -math.sin(nod)], [0, math.sin(nod), math.cos(nod)]]
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    scale = 1 / OVERSAMPLING
    plane = np.array([[scale, 0, -centre[0] * scale], [0, scale, -centre[1] * scale], [0, 0, 0]])
    distance = size * scale * r.uniform(1.3, 4)
    projection = np.array(about_x) @ np.array(about_y) @ np.array(about_z) @ plane
    projection[:2] *= distance
    projection[2, 2] += distance
    return projection, distance


def project(matrix, points):
    """Points [n,2] seen through a homography, and their depths."""
    out = np.c_[points, np.ones(len(points))] @ matrix.T
    return out[:, :2] / out[:, 2:], out[:, 2]


def area(points):
    """Of a polygon [n,2]."""
    x, y = points.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def in_frame(points, width, height):
    """The part of a polygon [n,2] that lies in the frame (Sutherland and Hodgman, 1974); may be empty."""
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        inside = (points[:, axis] - limit) * sign
        kept = []
        for i in range(len(points)):
            here, before = inside[i], inside[i - 1]
            if here * before < 0:
                kept.append(points[i - 1] + (points[i] - points[i - 1]) * before / (before - here))
            if here >= 0:
                kept.append(points[i])
        points = np.array(kept).reshape(-1, 2)
    return points


class Scene:
    """One picture of width x height; boxes is a list of [x1, y1, x2, y2, class]."""

    def __init__(self, r, sources, width, height):
        self.r, self.sources, self.width, self.height = r, sources, width, height
        self.boxes = []
        self.unit = max(width, height) / SIDE  # pixels here for one of the limits
        self.module = 4.0  # pixels of the finest code, which limits the blur

    def photo(self, width, height):
        picture = self.r.choice(self.sources.photos)
        full_height, full_width = picture.shape[:2]
        crop_height = min(full_height, full_width * height / width) * self.r.uniform(0.25, 1)
        crop_width = crop_height * width / height
        x, y = self.r.uniform(0, full_width - crop_width), self.r.uniform(0, full_height - crop_height)
        crop = picture[int(y):int(y + crop_height) + 1, int(x):int(x + crop_width) + 1]
        if self.r.random() < 0.5:
            crop = crop[:, ::-1]
        how = cv2.INTER_AREA if crop_width > width else cv2.INTER_LINEAR
        return cv2.resize(crop, (width, height), interpolation=how)

    def background(self):
        r, kind = self.r, self.r.random()
        if kind < 0.55:
            return self.photo(self.width, self.height)
        if kind < 0.78:
            picture = paper(r, self.height, self.width, 20 if r.random() < 0.3 else 110, 255)
            if r.random() < 0.5:
                write(r, picture, r.randint(1, 14))
            return picture
        if kind < 0.9:
            return pattern(r, self.height, self.width)
        return package(r, self.height, self.width)

    def paste(self, picture, alpha, matrix):
        """Through the homography, but never over a code that is there already."""
        height, width = alpha.shape
        corners, _ = project(matrix, np.array([[0, 0], [width, 0], [width, height], [0, height]]))
        left, top = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, [self.width, self.height])
        right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 2, 0, [self.width, self.height])
        if right <= left or bottom <= top:
            return
        move = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
        size = (int(right - left), int(bottom - top))
        seen = cv2.warpPerspective(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpPerspective(alpha, move, size, flags=cv2.INTER_LINEAR, borderValue=0)
        for box in self.boxes:
            x1, y1, x2, y2 = int(box[0]) - left - 3, int(box[1]) - top - 3, int(box[2]) - left + 4, int(box[3]) - top + 4
            mask[max(0, y1):max(0, y2), max(0, x1):max(0, x2)] = 0
        under = self.picture[top:bottom, left:right]
        weight = mask[..., None].astype(np.uint16)
        under[:] = (under * (255 - weight) + seen * weight + 127) // 255

    def free(self, box):
        return all(min(o[2], box[2]) - max(o[0], box[0]) < -4 or min(o[3], box[3]) - max(o[1], box[1]) < -4
                   for o in self.boxes)

    def position(self, size, may_leave):
        """Of the upper left corner: inside the frame, or over its edge."""
        frame, corner = (self.width, self.height), []
        for axis in (0, 1):
            slack = frame[axis] - size[axis]
            if may_leave or slack < 4:
                over = 0.4 * min(size[axis], frame[axis])
                corner.append(self.r.uniform(min(-over, slack), max(slack + over, 0)))
            else:
                corner.append(self.r.uniform(2, slack - 2))
        return np.array(corner)

    def add_code(self, length):
        """False when the code drawn does not fit here."""
        r = self.r
        label = r.choices(range(len(CLASSES)), CLASS_SHARES)[0]
        code = r.choice(self.sources.codes[label])
        across = max(code["box"][2] - code["box"][0], code["box"][3] - code["box"][1])
        module = length * code["module"] / across
        patch = sticker(r, code, length) if module > MODULE_MIN.get(label, MATRIX_MODULE_MIN) * self.unit else None
        if patch is None:
            return False
        picture, alpha, outline = patch
        low, high = outline.min(0), outline.max(0)
        matrix, distance = camera(r, (low + high) / 2, (high - low).max())
        points, depth = project(matrix, outline)
        if depth.min() < 0.2 * distance:
            return False
        low, size = points.min(0), np.ptp(points, 0)
        if size.max() < SHORTEST * self.unit or size.min() < max(0.12 * size.max(), NARROWEST * self.unit):
            return False
        corner = self.position(size, r.random() < 0.12)
        seen = in_frame(points + corner - low, self.width, self.height)
        if len(seen) < 3 or area(seen) < VISIBLE_MIN * area(points):
            return False
        box = np.r_[seen.min(0), seen.max(0)]
        if not self.free(box):
            return False
        matrix = np.array([[1, 0, corner[0] - low[0]], [0, 1, corner[1] - low[1]], [0, 0, 1]]) @ matrix
        height, width = alpha.shape
        _, depth = project(matrix, np.array([[0, 0], [width, 0], [width, height], [0, height]]))
        if depth.min() < 0.15 * distance:
            return False
        self.paste(picture, alpha, matrix)
        self.boxes.append([*box, label])
        self.module = min(self.module, module)
        return True

    def add_distractor(self):
        """A tilted patch of a pattern or of another photograph."""
        r = self.r
        height, width = r.randint(40, self.height * 3 // 4), r.randint(40, self.width * 3 // 4)
        picture = pattern(r, height, width) if r.random() < 0.8 else self.photo(width, height)
        matrix, distance = camera(r, (width / 2, height / 2), max(width, height))
        points, depth = project(matrix, np.array([[0, 0], [width, 0], [width, height], [0, height]]))
        if depth.min() < 0.2 * distance:
            return
        corner = np.array([r.uniform(-40, self.width - 40), r.uniform(-40, self.height - 40)]) - points.min(0)
        move = np.array([[1, 0, corner[0]], [0, 1, corner[1]], [0, 0, 1]])
        self.paste(picture, np.full((height, width), 255, np.uint8), move @ matrix)

    def compose(self, empty):
        r = self.r
        self.picture = np.ascontiguousarray(self.background())
        count = 0 if empty or r.random() < 0.18 else r.choices([1, 2, 3, 4], [0.5, 0.25, 0.15, 0.1])[0]
        for _ in range(r.choices([0, 1, 2, 3], [0.5, 0.25, 0.15, 0.1])[0] if count else r.randint(0, 4)):
            self.add_distractor()
        side = max(self.width, self.height)
        longest = side * [0, 1.1, 0.6, 0.45, 0.4][count]
        for _ in range(count):
            for _ in range(12):
                if r.random() < 0.6:
                    length = math.exp(r.uniform(math.log(28 * self.unit), math.log(longest)))
                else:
                    length = r.uniform(60 * self.unit, longest)
                if self.add_code(length):
                    break
        return self.develop(), self.boxes

    def lit(self, f):
        """Uneven light, a shadow with an edge, glare; contrast, colour of the light."""
        r, height, width = self.r, self.height, self.width
        if r.random() < 0.4:
            coarse = cv2.randu(np.empty((3, 3), np.float32), 0, 1)
            f *= (1 - r.uniform(0.1, 0.6) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))[..., None]
        if r.random() < 0.15:
            mask = np.zeros((height, width), np.float32)
            corners = [[r.uniform(-50, width + 50), r.uniform(-50, height + 50)] for _ in range(r.randint(3, 5))]
            cv2.fillPoly(mask, [np.array(corners, np.int32)], 1.0)
            f *= (1 - r.uniform(0.2, 0.6) * cv2.blur(mask, (r.choice([3, 9, 31]),) * 2))[..., None]
        if r.random() < 0.15:
            mask = np.zeros((height, width), np.float32)
            cv2.ellipse(mask, (r.randrange(width), r.randrange(height)), (r.randint(8, 90), r.randint(5, 40)),
                        r.uniform(0, 180), 0, 360, r.uniform(80, 220), -1)
            reach = (r.choice([9, 25, 61]),) * 2
            f += cv2.blur(cv2.blur(mask, reach), reach)[..., None]
        if r.random() < 0.35:
            f = (f - 128) * r.uniform(0.5, 1.25) + 128 + r.uniform(-35, 35)
        if r.random() < 0.4:
            f *= np.array([r.uniform(0.85, 1.1) for _ in range(3)], np.float32)
        if r.random() < 0.12:
            f = f.mean(2, keepdims=True).repeat(3, 2)
        return f

    def blurred(self, f):
        """Out of focus, shaken, or enlarged, so far that the finest modules are still told apart somewhat."""
        r, kind, most = self.r, self.r.random(), max(0.6, self.module)
        if kind < 0.3:
            return cv2.GaussianBlur(f, (0, 0), r.uniform(0.4, min(2.4, most)))
        if kind < 0.42:
            n = r.randint(3, max(3, min(11, round(2.5 * most))))
            kernel, angle, middle = np.zeros((n, n), np.float32), r.uniform(0, math.pi), n / 2
            reach = np.array([math.cos(angle), math.sin(angle)]) * n / 2
            cv2.line(kernel, tuple((middle - reach).astype(int).tolist()), tuple((middle + reach).astype(int).tolist()), 1.0, 1)
            return cv2.filter2D(f, -1, kernel / max(1, kernel.sum()))
        if kind < 0.6:
            scale = r.uniform(max(0.4, min(0.9, 0.6 / most)), 0.95)
            small = cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            how = r.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])
            return cv2.resize(small, (self.width, self.height), interpolation=how)
        return f

    def develop(self):
        r = self.r
        f = self.blurred(self.lit(self.picture.astype(np.float32)))
        if r.random() < 0.5:
            f = f + noise(r, self.height, self.width, r.choice([1, 3]), r.uniform(1, 14))
        if r.random() < 0.12:
            f = 2 * f - cv2.GaussianBlur(f, (0, 0), 1.5)
        picture = np.clip(f, 0, 255).astype(np.uint8)
        if r.random() < 0.6:
            coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, r.randint(25, 92)])[1]
            picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return picture


def compose(seed, sources, width, height, empty=False):
    """Picture [height,width,3] and boxes of one seed; empty: without codes, which are in four fifths of pictures else."""
    cv2.setRNGSeed(seed % 2**31)
    return Scene(random.Random(seed), sources, width, height).compose(empty)
