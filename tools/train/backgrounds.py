#!/usr/bin/python3
"""Gathers background photographs into a folder, as JPEG of at most 900 pixels a side.

A SOURCE is a folder with pictures or the name of a Debian package, which is downloaded with apt-get and
unpacked, not installed. Pictures much alike one taken before (the same wallpaper in another size), drawings of few
colours and small ones are left out. None of them may show a code: the generator's own are the only ones labelled.
"""
import argparse
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np

SIDE_MAX = 900
SIDE_MIN = 300


def pictures(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and p.is_file())


def unpack(package, folder):
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    archive, = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", archive, folder / "x"], check=True)
    return folder / "x"


def thumbnail(picture):
    return cv2.resize(picture, (12, 12), interpolation=cv2.INTER_AREA).astype(np.int16)


def add(source, out, name, taken):
    """Copies the photographs below source that are not in taken, which grows; returns how many."""
    count = 0
    for path in pictures(source):
        picture = cv2.imread(str(path))
        if picture is None or min(picture.shape[:2]) < SIDE_MIN:
            continue
        scale = min(1, SIDE_MAX / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if len(np.unique(small[::7, ::7].reshape(-1, 3) // 8, axis=0)) < 200:
            continue
        look = thumbnail(small)
        if any(np.abs(look - other).mean() < 8 for other in taken):
            continue
        taken.append(look)
        cv2.imwrite(str(out / f"{name}-{path.stem}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 92])
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("source", nargs="+")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    taken = []
    for source in args.source:
        folder = pathlib.Path(source)
        with tempfile.TemporaryDirectory() as scratch:
            name = folder.parent.name if folder.name == "images" else folder.name
            count = add(folder if folder.is_dir() else unpack(source, pathlib.Path(scratch)), args.out, name, taken)
        print(f"{count:4d} from {source}")


if __name__ == "__main__":
    main()
