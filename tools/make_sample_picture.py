#!/usr/bin/python3
"""Draws docs/images/sample.jpg: a desk with a parcel label, a ticket and a part tag that carry
machine-readable codes. Everything in it is drawn here, so the picture is the project's own.

Needs Debian's zint, python3-numpy, python3-pil and fonts-dejavu-core.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (960, 720)
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def code(symbology, text, scale=4):
    """One code as a grey picture, without its text line."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "code.png"
        subprocess.run(["zint", f"--barcode={symbology}", f"--data={text}", f"--scale={scale}", "--notext",
                        f"--output={path}"], check=True)
        return Image.open(path).convert("L").copy()


def desk(rng):
    """Planks: long streaks along x, darker joints, a soft light from the upper left."""
    width, height = SIZE
    streaks = rng.normal(128, 40, (height, width // 24 + 1)).repeat(24, axis=1)[:, :width]
    blurred = Image.fromarray(np.clip(streaks, 0, 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(3))
    grain = (np.asarray(blurred).astype(np.float32) - 128) / 20
    wood = np.array([150, 111, 74]) + 12 * grain[..., None]
    wood[::120] *= 0.6
    y, x = np.mgrid[0:height, 0:width]
    light = 1.15 - 0.45 * np.hypot(x / width, y / height)[..., None]
    return Image.fromarray(np.clip(wood * light, 0, 255).astype(np.uint8))


def sheet(size, lines, pictures, tint=(250, 249, 244)):
    """Paper with printed lines [(x, y, points, text)] and codes [(x, y, picture, width)]."""
    paper = Image.new("RGB", size, tint)
    draw = ImageDraw.Draw(paper)
    for x, y, points, text in lines:
        draw.text((x, y), text, font=ImageFont.truetype(FONT, points), fill=(30, 30, 34))
    for x, y, picture, width in pictures:
        height = round(picture.height * width / picture.width)
        paper.paste(picture.resize((width, height), Image.LANCZOS).convert("RGB"), (x, y))
    draw.rectangle([0, 0, size[0] - 1, size[1] - 1], outline=(200, 198, 190))
    return paper


def lay(scene, paper, corner, angle, scale=1.0):
    """Turns a sheet and lays it on the desk with a soft shadow."""
    rgba = paper.convert("RGBA").resize((round(paper.width * scale), round(paper.height * scale)), Image.LANCZOS)
    turned = rgba.rotate(angle, Image.BICUBIC, expand=True)
    shadow = Image.new("RGBA", turned.size, (0, 0, 0, 0))
    shadow.putalpha(turned.getchannel("A").point(lambda a: a * 0.45).filter(ImageFilter.GaussianBlur(8)))
    scene.paste(shadow, (corner[0] + 8, corner[1] + 10), shadow)
    scene.paste(turned, corner, turned)


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/sample.jpg")
    rng = np.random.default_rng(7)
    scene = desk(rng)
    parcel = sheet((420, 300), [(24, 18, 22, "PARCEL 1 of 1"), (24, 52, 15, "Mira Lindqvist"),
                                (24, 74, 15, "Hafenstrasse 12"), (24, 96, 15, "20457 Hamburg")],
                   [(24, 150, code("CODE128", "SPOT0012345678"), 250), (292, 20, code("QRCODE", "https://spotter.example/p/0012345678"), 110)])
    ticket = sheet((330, 210), [(20, 22, 26, "Night train 471"), (20, 150, 18, "Coach 12")],
                   [(200, 66, code("AZTEC", "NIGHT TRAIN 471 COACH 12 SEAT 63 17 MAY 2026"), 112)], (232, 240, 250))
    tag = sheet((220, 150), [(14, 12, 16, "PN 40-7718"), (14, 36, 12, "Lot C29")],
                [(112, 34, code("DATAMATRIX", "40-7718/C29/000451"), 92)], (244, 238, 214))
    lay(scene, parcel, (60, 60), 6, 1.15)
    lay(scene, ticket, (545, 360), -8, 1.15)
    lay(scene, tag, (180, 480), 4, 1.15)
    pixels = np.asarray(scene.filter(ImageFilter.GaussianBlur(0.6))).astype(np.float32)
    pixels += rng.normal(0, 2.5, pixels.shape)
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(target, quality=88)


if __name__ == "__main__":
    main()
