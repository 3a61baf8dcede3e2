"""Surfaces without a code: paper, print, and the patterns that a detector takes for codes.

Every function takes a random.Random `r` and gives or changes uint8 pictures [height, width, 3], B G R.
"""
import random

import cv2
import numpy as np

FONTS = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX,
         cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL]
WORDS = ("the of and lot batch serial order item net weight made expiry ticket gate seat invoice total number ship to "
         "from Return Address Street North BOX PALLET part rev. model code AREA test sample sugar salt milk water kg g "
         "ml").split()


def colour(r, low, high, grey=0.5):
    """B, G, R between low and high; near grey with that probability."""
    value = r.uniform(low, high)
    if r.random() < grey:
        return np.array([value + r.uniform(-8, 8) for _ in range(3)], np.float32)
    return np.array([r.uniform(low, high) for _ in range(3)], np.float32)


def ink(values):
    """As cv2's drawing functions take it."""
    return tuple(float(v) for v in np.clip(values, 0, 255))


def noise(r, height, width, channels, deviation):
    """Gaussian noise, float32 [height, width, channels]."""
    out = np.empty((height, width, channels), np.float32)
    cv2.setRNGSeed(r.randrange(2**31))
    cv2.randn(out, (0,) * channels, (deviation,) * channels)
    return out.reshape(height, width, channels)


def write(r, picture, lines, shade=None, box=None):
    """Lines of words and numbers from a random place near the upper left of box (x1, y1, x2, y2)."""
    height, width = picture.shape[:2]
    left, top, right, bottom = box or (0, 0, width, height)
    font, size = r.choice(FONTS), r.uniform(0.25, 1.1)
    shade = ink(colour(r, 0, 255) if shade is None else shade)
    x, y = left + r.randint(0, max(1, (right - left) // 3)), top + r.randint(4, 30)
    thickness = 1 if size < 0.7 else r.randint(1, 3)
    for _ in range(lines):
        words = [r.choice(WORDS) if r.random() < 0.8 else str(r.randint(0, 99999)) for _ in range(r.randint(1, 7))]
        cv2.putText(picture, " ".join(words), (x, y), font, size, shade, thickness, cv2.LINE_AA)
        y += max(6, int(size * r.uniform(24, 40)))
        if y > bottom:
            return


def paper(r, height, width, low=90, high=255):
    """A plain surface, with a gradient or with grain."""
    out = np.empty((height, width, 3), np.float32)
    out[:] = colour(r, low, high)
    if r.random() < 0.4:
        across, down = r.uniform(-1, 1), r.uniform(-1, 1)
        slope = across * np.linspace(-0.5, 0.5, width)[None] + down * np.linspace(-0.5, 0.5, height)[:, None]
        out += slope.astype(np.float32)[..., None] * colour(r, -50, 50)
    if r.random() < 0.5:
        grain, channels = r.choice([2, 4, 8, 16, 40]), r.choice([1, 1, 3])
        coarse = noise(r, height // grain + 2, width // grain + 2, channels, r.uniform(2, 16))
        fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        out += fine.reshape(height, width, channels)
    return np.clip(out, 0, 255).astype(np.uint8)


def stripes(r, picture, shade):
    """Fences, blinds, piano keys: bars of one period and two widths."""
    height, width = picture.shape[:2]
    period, share = r.uniform(3, 30), r.uniform(0.25, 0.75)
    phase = np.arange(width) / period
    share = share + r.uniform(0, 0.25) * (np.floor(phase) % r.choice([2, 3]) == 0)
    bars = np.broadcast_to((phase % 1 < share)[None], (height, width))
    if r.random() < 0.4:
        bars = cv2.resize(bars.T.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    picture[bars] = shade
    if r.random() < 0.4:
        y = r.randrange(height)
        cv2.rectangle(picture, (0, y), (width, y + r.randint(2, 12)), ink(colour(r, 60, 220)), -1)


def uneven_bars(r, picture, shade):
    """Bars of any width: books on a shelf, a row of pipes. Wider and more colourful than a linear code."""
    height, width = picture.shape[:2]
    x, coloured = 0, r.random() < 0.7
    while x < width:
        step = r.randint(4, 40)
        top = r.randint(0, max(1, height // 4)) if coloured else 0
        fill = ink(colour(r, 0, 255, 0.2)) if coloured else (shade if r.random() < 0.5 else ink(colour(r, 100, 200)))
        cv2.rectangle(picture, (x, top), (x + step - 1, height), fill, -1)
        x += step + r.randint(0, 3)


def grid(r, picture, shade):
    """Windows, tiles, a calendar."""
    height, width = picture.shape[:2]
    across, down, thickness = r.randint(5, 40), r.randint(5, 40), r.randint(1, 4)
    for x in range(0, width, across):
        cv2.line(picture, (x, 0), (x, height), shade, thickness)
    for y in range(0, height, down):
        cv2.line(picture, (0, y), (width, y), shade, thickness)


def keyboard(r, picture, shade):
    """Keys with a letter each, rows shifted."""
    height, width = picture.shape[:2]
    key, gap = r.randint(10, 34), r.randint(1, 5)
    fill, letter = ink(colour(r, 0, 255, 0.8)), ink(colour(r, 0, 255, 0.8))
    picture[:] = shade
    for row, y in enumerate(range(0, height, key + gap)):
        for x in range(-(row * key // 3) % (key + gap) - key, width, key + gap):
            cv2.rectangle(picture, (x, y), (x + key, y + key), fill, -1)
            cv2.putText(picture, r.choice("QWERTYUIOPASDFGHJKLZXCVBNM0123456789"), (x + key // 4, y + key * 2 // 3),
                        cv2.FONT_HERSHEY_SIMPLEX, key / 50, letter, 1, cv2.LINE_AA)


def bricks(r, picture, shade):
    height, width = picture.shape[:2]
    long, high, joint = r.randint(14, 60), r.randint(6, 24), r.randint(1, 3)
    for row, y in enumerate(range(0, height, high)):
        for x in range(-(row % 2) * long // 2, width, long):
            tint = np.array(shade) * r.uniform(0.8, 1.25) + r.uniform(-10, 10)
            cv2.rectangle(picture, (x + joint, y + joint), (x + long, y + high), ink(tint), -1)


def table(r, picture, shade):
    height, width = picture.shape[:2]
    y = 0
    while y < height:
        cv2.line(picture, (0, y), (width, y), shade, 1)
        write(r, picture, 1, shade, (r.randint(0, width // 2), y, width, y + 20))
        y += r.randint(14, 30)
    for x in range(0, width, r.randint(40, 110)):
        cv2.line(picture, (x, 0), (x, height), shade, 1)


def text(r, picture, shade):
    write(r, picture, 40, shade)


def weave(r, picture, shade):
    """Checks: fabric, a chess board, a flag."""
    height, width = picture.shape[:2]
    across, down = r.uniform(3, 30), r.uniform(3, 30)
    odd = ((np.arange(width) / across).astype(int)[None] + (np.arange(height) / down).astype(int)[:, None]) % 2
    picture[odd == 0] = shade


def blobs(r, picture, shade):
    """Foliage, pebbles, dots."""
    height, width = picture.shape[:2]
    leaf = r.choice([4, 8, 14])
    for _ in range(r.randint(30, 250)):
        cv2.ellipse(picture, (r.randrange(width), r.randrange(height)), (r.randint(2, leaf), r.randint(1, 8)),
                    r.uniform(0, 360), 0, 360, ink(colour(r, 0, 220, 0.3)), -1, cv2.LINE_AA)


def streaks(r, picture, shade):
    """Noise stretched along one direction: grain of wood, grass, hair, water."""
    height, width = picture.shape[:2]
    along, across = r.choice([2, 8, 40]), r.choice([1, 2, 4])
    shape = (height // across // 2 + 2, width // along // 2 + 2)
    if r.random() < 0.5:
        shape = (height // along // 2 + 2, width // across // 2 + 2)
    coarse = cv2.randu(np.empty(shape, np.float32), 0, 1)
    fine = cv2.resize(coarse, (width, height), interpolation=r.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR]))
    picture[:] = picture * (0.35 + 0.65 * fine[..., None])


def logo(r, picture, shade):
    """Few large shapes and a word, as on signs and packages."""
    height, width = picture.shape[:2]
    for _ in range(r.randint(1, 5)):
        centre = (r.randrange(width), r.randrange(height))
        radius = r.randint(5, max(6, min(height, width) // 3))
        fill = ink(colour(r, 0, 255, 0.3))
        if r.random() < 0.5:
            cv2.circle(picture, centre, radius, fill, r.choice([-1, 2, 5]), cv2.LINE_AA)
        else:
            cv2.rectangle(picture, centre, (centre[0] + radius, centre[1] + radius), fill, r.choice([-1, 2, 5]))
    word = r.choice(WORDS).upper()
    cv2.putText(picture, word, (width // 8, height // 2), r.choice(FONTS), r.uniform(0.8, 2.5), shade, r.randint(2, 5),
                cv2.LINE_AA)


PATTERNS = [stripes, stripes, uneven_bars, grid, keyboard, bricks, table, text, text, weave, blobs, streaks, logo]


def pattern(r, height, width):
    """A surface with one of the patterns in dark or light ink."""
    light = r.random() < 0.8
    picture = paper(r, height, width, *((120, 255) if light else (0, 110)))
    r.choice(PATTERNS)(r, picture, ink(colour(r, 0, 110) if light else colour(r, 150, 255)))
    return picture


def package(r, height, width):
    """Coloured fields, lines and print, as on a box or a poster."""
    picture = paper(r, height, width, 30, 255)
    for _ in range(r.randint(1, 6)):
        x, y = r.randrange(width), r.randrange(height)
        corner = (x + r.randint(20, width), y + r.randint(10, height // 2))
        cv2.rectangle(picture, (x, y), corner, ink(colour(r, 0, 255, 0.3)), -1 if r.random() < 0.7 else r.randint(1, 5))
    for _ in range(r.randint(0, 3)):
        write(r, picture, r.randint(1, 5))
    return picture


if __name__ == "__main__":
    generator = random.Random(1)
    rows = [np.hstack([pattern(generator, 150, 150) for _ in range(8)]) for _ in range(5)]
    cv2.imwrite("patterns.png", np.vstack(rows))
