#!/usr/bin/python3
"""Draws the losses of a run (log.csv of train.py) as an SVG: curves.py RUN/log.csv curves.svg"""
import csv
import sys

COLOURS = ["#c0392b", "#2471a3", "#7d8a2e", "#8e44ad", "#ca6f1e", "#117a65"]
NOT_DRAWN = {"step", "seen", "seconds", "side", "rate", "per_second", "iou", "recall", "right"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 300, 50, 40, 20


def curve(steps, values, highest):
    points = (f"{LEFT + (WIDTH - LEFT - 10) * step / steps[-1]:.1f},"
              f"{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(1, value / highest):.1f}"
              for step, value in zip(steps, values))
    return " ".join(points)


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))
    steps = [int(row["step"]) for row in rows]
    values = {name: [float(row[name]) for row in rows] for name in rows[0] if name not in NOT_DRAWN}
    highest = max(max(column[len(rows) // 10:]) for column in values.values())  # the first steps are far above the rest
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - 10}" fill="none" stroke="#888"/>',
             f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{highest:.1f}</text>',
             f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>',
             f'<text x="{WIDTH - 10}" y="{HEIGHT - 22}" text-anchor="end">step {steps[-1]}</text>']
    for row, last in zip(rows[1:], rows):
        if row["side"] != last["side"]:
            x = LEFT + (WIDTH - LEFT - 10) * int(last["step"]) / steps[-1]
            parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ccc"/>')
            parts.append(f'<text x="{x + 3:.1f}" y="{TOP + 10}" fill="#888">{row["side"]} px</text>')
    for i, (name, colour) in enumerate(zip(values, COLOURS)):
        parts.append(f'<polyline points="{curve(steps, values[name], highest)}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{LEFT + 120 * i}" y="{HEIGHT - 8}" fill="{colour}">{name}</text>')
    with open(sys.argv[2], "w") as file:
        file.write("\n".join(parts) + "\n</svg>\n")


if __name__ == "__main__":
    main()
