"""One code as it is printed: margin, cut, logo, ink and paper, a label around it, bent; still flat to the camera.

A patch is (picture [h,w,3] uint8, alpha [h,w] uint8, outline): outline [n,2] are points along the border of the
code's area, in pixels of the patch, once around.
"""
import math

import cv2
import numpy as np

from codes import LINEAR, QR
from surfaces import colour, ink, noise, write

OVERSAMPLING = 1.5  # pixels of a patch for one of the scene
SIDE_MAX = 1100


def trimmed(r, code):
    """The code's picture and area after margins, logo and cut, in its own pixels."""
    grey, (left, top, right, bottom) = code["picture"], code["box"]
    if r.random() < 0.25:  # neither digits nor margin
        grey = grey[top:bottom, left:right]
        left, top, right, bottom = 0, 0, right - left, bottom - top
    if code["class"] == QR and r.random() < 0.1:  # a logo in the middle
        grey = grey.copy()
        half, x, y = int((right - left) * r.uniform(0.1, 0.14)), (left + right) // 2, (top + bottom) // 2
        grey[y - half:y + half + 1, x - half:x + half + 1] = r.choice([255, 255, 200, 120])
    if code["class"] == LINEAR and r.random() < 0.25:  # low bars, as on small products
        cut = bottom - max(8, int((bottom - top) * r.uniform(0.3, 0.9)))
        grey, bottom, top = grey[cut:], bottom - cut, max(0, top - cut)
    if r.random() < 0.7:
        margin = 0 if r.random() < 0.12 else round(code["module"] * r.uniform(1, 6))
    else:
        margin = int(r.uniform(0.05, 0.6) * max(grey.shape))
    above = int(margin * r.uniform(0.3, 1)) if r.random() < 0.3 else margin
    grey = cv2.copyMakeBorder(grey, above, above, margin, margin, cv2.BORDER_CONSTANT, value=255)
    return grey, np.array([left + margin, top + above, right + margin, bottom + above], np.float32)


def resized(grey, scale):
    """Nearest neighbours up, then area averages down: edges of modules stay as sharp as print."""
    height, width = max(4, round(grey.shape[0] * scale)), max(4, round(grey.shape[1] * scale))
    if scale > 1:
        times = math.ceil(scale)
        grey = np.repeat(np.repeat(grey, times, 0), times, 1)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def inked(r, grey):
    """Ink and paper of some contrast, now and then light on dark, on a screen, or ink straight on the surface."""
    dark, light = colour(r, 0, 90, 0.75), colour(r, 130, 255, 0.65)
    if r.random() < 0.06:
        dark, light = light, dark
    if r.random() < 0.12:
        dark = dark * 0.4 + light * 0.6 * r.uniform(0.7, 1)
    height, width = grey.shape
    picture = dark + (light - dark) * (grey.astype(np.float32) / 255)[..., None]
    if r.random() < 0.5:
        grain = noise(r, height // 3 + 2, width // 3 + 2, 1, r.uniform(1, 12))
        picture += cv2.resize(grain, (width, height)).reshape(height, width, 1)
    if r.random() < 0.05:  # the lines of a screen
        picture[::r.randint(2, 4)] *= r.uniform(0.75, 0.95)
    alpha = np.full((height, width), 255, np.uint8)
    if r.random() < 0.12:
        alpha = 255 - grey
        if abs(dark.mean() - 128) < 60:
            alpha = np.maximum(alpha, 120)
    return np.clip(picture, 0, 255).astype(np.uint8), alpha, dark, light


def labelled(r, picture, alpha, dark, light):
    """A larger label with print above and below the code; also gives how far the code moved."""
    height, width = alpha.shape
    above, below, left, right = (int(r.uniform(0, 0.8) * min(width, height)) for _ in range(4))
    picture = cv2.copyMakeBorder(picture, above, below, left, right, cv2.BORDER_CONSTANT, value=ink(light))
    alpha = cv2.copyMakeBorder(alpha, above, below, left, right, cv2.BORDER_CONSTANT, value=255)
    for first, last in ((0, above - 6), (above + height, above + height + below)):
        if last - first > 14 and r.random() < 0.8:
            write(r, picture[first:last], 6, dark)
    return picture, alpha, (left, above)


def outline_of(box, steps=9):
    corners = np.array(box)[[[0, 1], [2, 1], [2, 3], [0, 3]]]
    share = np.arange(steps)[:, None] / steps
    return np.concatenate([corners[i] * (1 - share) + corners[(i + 1) % 4] * share for i in range(4)])


def bent(r, picture, alpha, outline):
    """Around a cylinder with an upright axis that the camera sees a little from above or below."""
    height, width = alpha.shape
    angle, sag = r.uniform(0.3, 1.25), r.uniform(-0.15, 0.15) * height
    across = np.linspace(-1, 1, width).astype(np.float32)
    source_x = (np.arcsin(across * math.sin(angle)) / angle + 1) / 2 * (width - 1)
    pad = int(abs(sag)) + 1
    drop = (sag * (1 - across**2)).astype(np.float32)
    map_y = np.arange(height + 2 * pad, dtype=np.float32)[:, None] - pad - drop[None]
    map_x = np.broadcast_to(source_x.astype(np.float32)[None], map_y.shape).copy()
    picture = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(alpha, map_x, map_y, cv2.INTER_LINEAR, borderValue=0)
    place = np.sin(angle * (outline[:, 0] / width * 2 - 1)) / math.sin(angle)
    outline = np.c_[(place + 1) / 2 * width, outline[:, 1] + pad + sag * (1 - place**2)]
    return picture, alpha, outline


def folded(r, picture):
    """One crease: a line where the light changes."""
    height, width = picture.shape[:2]
    x, slope = r.uniform(0.1, 0.9) * width, r.uniform(-0.5, 0.5)
    side = (np.arange(width)[None] - x - slope * np.arange(height)[:, None])[..., None]
    light = 1 + np.clip(side / (0.05 * width + 1), -1, 1) * r.uniform(-0.15, 0.15)
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def sticker(r, code, length):
    """The patch of a code whose longer side is to be `length` pixels in the scene; None if that is too large."""
    grey, box = trimmed(r, code)
    scale = OVERSAMPLING * length / max(box[2] - box[0], box[3] - box[1])
    if max(grey.shape) * scale > SIDE_MAX:
        return None
    small = resized(grey, scale)
    box = box * np.array([small.shape[1] / grey.shape[1], small.shape[0] / grey.shape[0]] * 2)
    picture, alpha, dark, light = inked(r, small)
    if r.random() < 0.25:
        picture, alpha, (right, down) = labelled(r, picture, alpha, dark, light)
        box = box + [right, down, right, down]
    outline = outline_of(box)
    if r.random() < 0.1:
        picture = folded(r, picture)
    if r.random() < 0.25:
        picture, alpha, outline = bent(r, picture, alpha, outline)
    return picture, alpha, outline
