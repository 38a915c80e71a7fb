#!/usr/bin/env python3
"""What cargo-deny looks after, from `cargo metadata` and deny.toml, without a tool to install.

    cargo metadata --format-version 1 --all-features --locked | dependencies.py deny.toml

Licences, banned crates and sources of all packages; and that none of those that the library needs
wants a newer Rust than the library declares. Advisories are cargo-deny's alone.
"""

import json
import re
import sys
import tomllib

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def allowed(expression, allow):
    """Whether an SPDX expression can be met with the licences in `allow`."""
    tokens = re.findall(r"\(|\)|[\w.+-]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def alternatives():
        met = conjunction()
        while peek() == "OR":
            take()
            met = conjunction() or met
        return met

    def conjunction():
        met = single()
        while peek() == "AND":
            take()
            met = single() and met
        return met

    def single():
        if peek() == "(":
            take()
            met = alternatives()
            take()
            return met
        name = take()
        if peek() == "WITH":
            take()
            name = f"{name} WITH {take()}"
        return name in allow

    return alternatives()


def version(text):
    return tuple(int(part) for part in (text.split("-")[0] + ".0.0").split(".")[:3])


def needed(metadata, root):
    """The ids of what a package needs when it runs or is built."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, open_ = set(), [root]
    while open_:
        one = open_.pop()
        if one in found:
            continue
        found.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                open_.append(dependency["pkg"])
    return found


def faults(metadata, deny):
    allow = set(deny["licenses"]["allow"])
    banned = {entry["crate"] for entry in deny["bans"]["deny"]}
    for package in metadata["packages"]:
        name = f"{package['name']} {package['version']}"
        own = package["source"] is None
        if not own and package["source"] != CRATES_IO:
            yield f"{name} comes from {package['source']}"
        if not (own and package["publish"] == []) and not allowed(package["license"] or "none", allow):
            yield f"{name} has the licence {package['license']}"
        if package["name"] in banned:
            yield f"{name} is banned"
        for dependency in package["dependencies"]:
            if own and dependency["req"] == "*" and dependency.get("path") is None:
                yield f"{name} takes any version of {dependency['name']}"
    library = next(package for package in metadata["packages"] if package["name"] == "ortc")
    ids = needed(metadata, library["id"])
    for package in metadata["packages"]:
        wants = package["rust_version"]
        if package["id"] in ids and wants and version(wants) > version(library["rust_version"]):
            yield f"{package['name']} {package['version']} needs Rust {wants}, ortc declares {library['rust_version']}"


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        deny = tomllib.load(file)
    metadata = json.load(sys.stdin)
    found = list(faults(metadata, deny))
    print("\n".join(found) or f"{len(metadata['packages'])} packages: licences, sources, bans, Rust version")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
