#!/usr/bin/env python3
"""W5 against so many watchers, drawn: benches/fan_out.py PROGRAM > spec/fan-out.svg

PROGRAM is what `cargo bench --bench workloads --no-run` names. All runs send 100,000 packets a
second in all, but those with few watchers, which have 2,000 packets a second each.
"""
import math
import re
import subprocess
import sys

RUNS = [(1, 2000), (10, 2000), (50, 2000), (200, 500), (500, 200)]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 60, 50, 40


def measure(program):
    for subs, rate in RUNS:
        options = ["w5", "--subs", str(subs), "--rate", str(rate), "--seconds", "8"]
        line = subprocess.run([program, *options], check=True, capture_output=True, text=True).stdout
        print(line.strip(), file=sys.stderr)
        value = lambda name: float(re.search(rf"{name}=([\d.]+)", line)[1])
        yield subs, value("total_us_per_out"), value("sfu_us_per_out")


def draw(points):
    most = max(total for _, total, _ in points) * 1.1
    x = lambda subs: LEFT + math.log(subs) / math.log(500) * (WIDTH - LEFT - 30)
    y = lambda us: HEIGHT - BOTTOM - us / most * (HEIGHT - BOTTOM - TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        "<title>What a packet costs that is sent on, against the number of watchers</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20">CPU, us for each packet sent on (1,200 bytes)</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">watchers</text>',
    ]
    for us in range(0, math.ceil(most), 2):
        out.append(f'<path d="M{LEFT} {y(us):.1f}H{WIDTH - 30}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(us) + 4:.1f}" text-anchor="end">{us}</text>')
    for subs, _, _ in points:
        out.append(f'<text x="{x(subs):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{subs}</text>')
    for at, name, colour in [(1, "both ends", "#888"), (2, "the forwarder", "#06c")]:
        line = " ".join(f"{x(point[0]):.1f},{y(point[at]):.1f}" for point in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            out.append(f'<circle cx="{x(point[0]):.1f}" cy="{y(point[at]):.1f}" r="3" fill="{colour}"/>')
            out.append(f'<text x="{x(point[0]):.1f}" y="{y(point[at]) - 8:.1f}" text-anchor="middle" fill="{colour}">{point[at]:.1f}</text>')
        out.append(f'<text x="{WIDTH - 40}" y="{20 + 16 * (at - 1)}" text-anchor="end" fill="{colour}">{name}</text>')
    print("\n".join([*out, "</svg>"]))


draw(list(measure(sys.argv[1])))
