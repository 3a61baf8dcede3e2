#!/usr/bin/python3
"""Renders a pool of machine-readable codes with the program zint.

Writes into FOLDER one grey PNG a code and index.json: file, class, pixels a module, and the code's
area (without quiet zone and printed digits) in pixels of that PNG. The same seed gives the same pool.
"""
import argparse
import json
import math
import pathlib
import random
import string
import subprocess
from multiprocessing import Pool

import cv2
import numpy as np

CLASSES = ["qr", "data_matrix", "aztec", "pdf417", "linear"]
QR, DATA_MATRIX, AZTEC, PDF417, LINEAR = range(5)
SHARES = [0.22, 0.20, 0.16, 0.16, 0.26]

# what zint --help calls them
BARCODE = {"code39": 8, "ean": 13, "code128": 20, "upca": 34, "itf": 3, "pdf417": 55, "pdf417_compact": 56,
           "qr": 58, "data_matrix": 71, "aztec": 92}
LINEAR_KINDS = {"ean": 0.35, "upca": 0.20, "code128": 0.22, "code39": 0.13, "itf": 0.10}

WORDS = ("lot batch serial order item net weight made expiry ticket gate seat invoice total number ship return "
         "address street north south box pallet part rev model code area test sample").split()


def log_uniform(r, low, high):
    return math.exp(r.uniform(math.log(low), math.log(high)))


def digits(r, n):
    return "".join(r.choice(string.digits) for _ in range(n))


def content(r, shortest, longest):
    """Digits, an address of the web, letters with digits, or words."""
    n = round(log_uniform(r, shortest, longest))
    kind = r.randrange(4)
    if kind == 0:
        return digits(r, n)
    if kind == 1:
        host = "".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(4, 12)))
        text = "https://" + host + r.choice([".com/", ".org/", ".net/q?id="])
        text += "".join(r.choice(string.ascii_letters + string.digits + "/-") for _ in range(n))
        return text[:max(n, 12)]
    if kind == 2:
        return "".join(r.choice(string.ascii_uppercase + string.digits) for _ in range(n))
    text = " ".join(r.choice(WORDS) + r.choice(["", ",", ":", " " + digits(r, 3)]) for _ in range(n // 4 + 1))
    return text[:n].strip() or "A1"


def qr(r):
    options = [f"--secure={r.randint(1, 4)}"]
    if r.random() < 0.2:
        options.append(f"--vers={r.randint(3, 12)}")
    return "qr", options, content(r, 4, 220)


def data_matrix(r):
    shape = r.choices([["--square"], ["--dmre"], []], [0.78, 0.1, 0.12])[0]
    if r.random() < 0.12:
        shape = [*shape, "--dotty", f"--dotsize={r.uniform(0.7, 1):.1f}"]
    return "data_matrix", shape, content(r, 2, 160)


def aztec(r):
    return "aztec", [f"--secure={r.randint(1, 4)}"] if r.random() < 0.5 else [], content(r, 2, 200)


def pdf417(r):
    """Rows of 3 to 5 modules, as its standard asks; columns so few that the code is not flat."""
    text = content(r, 8, 260)
    columns = [c for c in (1, 2, 3, 4, 5, 6, 8, 10) if c * c <= len(text) / 2 + 4]
    options = ["--heightperrow", f"--height={r.choice([3, 3, 3, 4, 5])}", f"--cols={r.choice(columns)}"]
    if r.random() < 0.5:
        options.append(f"--secure={r.randint(1, 5)}")
    return "pdf417_compact" if r.random() < 0.12 else "pdf417", options, text


def linear(r):
    kind = r.choices(list(LINEAR_KINDS), list(LINEAR_KINDS.values()))[0]
    if kind == "ean":
        text = digits(r, 12)
    elif kind == "upca":
        text = digits(r, 11)
    elif kind == "itf":
        text = digits(r, 2 * r.randint(3, 9))
    elif kind == "code39":
        text = "".join(r.choice(string.ascii_uppercase + string.digits + "-. ") for _ in range(r.randint(3, 13)))
        text = text.strip() or "A"
    else:
        text = content(r, 4, 24)
    options = [f"--height={int(log_uniform(r, 12, 75))}"]
    if r.random() < 0.35:
        options.append("--notext")
    elif r.random() < 0.2:
        options.append("--bold")
    return kind, options, text


MAKERS = [qr, data_matrix, aztec, pdf417, linear]


def area(image, label):
    """The box of the bars or modules; digits below a linear code are not part of it."""
    dark = image < 128
    rows, columns = np.nonzero(dark)
    if label != LINEAR:
        return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
    first = dark[rows.min()]
    bars = (dark == first).mean(1) > 0.995
    top = bottom = int(rows.min())
    while bottom < len(bars) and bars[bottom]:
        bottom += 1
    columns = np.nonzero(first)[0]
    return [int(columns.min()), top, int(columns.max()) + 1, bottom]


def render(job):
    """One code as its row of the index, or None when ten attempts failed."""
    seed, folder = job
    r = random.Random(seed)
    for _ in range(10):
        label = r.choices(range(5), SHARES)[0]
        barcode, options, text = MAKERS[label](r)
        scale = 3 if "--dotty" in options else 1 if label == LINEAR else 0.5
        path = pathlib.Path(folder) / f"{CLASSES[label]}-{seed:07d}.png"
        subprocess.run(["zint", f"--barcode={BARCODE[barcode]}", f"--data={text}", f"--scale={scale}",
                        f"--output={path}", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.exists() else None
        if image is None or image.min() > 127 or max(image.shape) > 1200:
            path.unlink(missing_ok=True)
            continue
        box = area(image, label)
        width, height = box[2] - box[0], box[3] - box[1]
        if width < 8 or height < 6 or (label == PDF417 and height < 0.25 * width):
            path.unlink()
            continue
        cv2.imwrite(str(path), image)
        return {"file": path.name, "class": label, "module": 2 * scale, "box": box}
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(args.seed + i, args.folder) for i in range(args.count)]
    with Pool(args.processes) as pool:
        rows = [row for row in pool.imap(render, jobs, 16) if row]
    (args.folder / "index.json").write_text(json.dumps(rows))
    counts = np.bincount([row["class"] for row in rows], minlength=len(CLASSES))
    print(len(rows), "codes:", ", ".join(f"{n} {name}" for name, n in zip(CLASSES, counts)))


if __name__ == "__main__":
    main()
