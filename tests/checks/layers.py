#!/usr/bin/env python3
"""Finds imports that point upwards: from a folder of the crate to one in a layer above its own.

    layers.py src    each such import; exit 1 if there is one

A module of the crate's root that is in no layer is one, too: say where it belongs.
"""

import sys

from import_circles import Crate

# From the top. Those of one layer may import each other, though no file another in a circle.
LAYERS = (
    ("lib",),
    ("diagnose", "july", "stats"),
    ("connection",),
    ("data", "socket"),
    ("engine",),
    ("capabilities", "dtmf", "media"),
    ("rtp",),
    ("budget", "error", "json", "locks", "queue", "random", "tasks", "trace"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    crate = Crate(arguments[0])
    faults = []
    for module, targets in sorted(crate.graph().items()):
        own = module[0] if module else "lib"
        if own not in LAYER:
            faults.append(f"{crate.files[module]}: {own} is in no layer of layers.py")
            continue
        for target in sorted(targets):
            other = target[0] if target else "lib"
            if LAYER.get(other, LAYER[own]) < LAYER[own]:
                faults.append(f"{crate.files[module]} imports {crate.files[target]}, which is above it")
    print("\n".join(faults) or f"{len(LAYERS)} layers, no import upwards")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
