#!/usr/bin/env python3
"""Runs cargo test; what failed for the sake of another program is tried once more.

    forgive.py [--cargo PROGRAM] [--logs DIRECTORY] [arguments of cargo test]

The tests of BESIDE wait for most of their time, so they run beside all others; their output comes
when the others have ended. The examples in the documentation come last.

A test in one of FOREIGN, which wait for a browser or for a peer that is not ours, is run once more
when it failed. If it passes then it is named as FLAKY and forgiven, at most FORGIVEN in a run; the
logs of both runs are kept. Tests of our own code are never repeated. The output ends with cargo's
own summary.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

BESIDE = "browser"
FOREIGN = ("browser", "interop", "openssl")
FORGIVEN = 2

HEADER = re.compile(r"\s+(?:Running .*\((?:.*/)?(\w+)-[0-9a-f]+(?:\.exe)?\)|(Doc-tests) \w+)\s*$")


class Run:
    """What one run of cargo test says, line by line."""

    def __init__(self, say):
        self.say = say
        self.all, self.held = [], []
        self.programs = []  # each: its name, its summary or None, what failed in it
        self.listing = False
        # Until cargo has ended well.
        self.code = 1

    def line(self, text):
        self.all.append(text)
        # The last summary and what cargo says behind it wait for the end.
        if self.held and not text.strip() == "" and HEADER.match(text):
            self.flush()
        header = HEADER.match(text)
        if header:
            self.programs.append([header.group(1) or "doc", None, []])
            self.listing = False
        elif text.startswith("test result:") and self.programs:
            self.programs[-1][1] = text
            self.listing = False
            self.held.append(text)
            return
        elif text.strip() == "failures:" and self.programs:
            # The second of the two lists has the names alone.
            self.programs[-1][2], self.listing = [], True
        elif self.listing and re.fullmatch(r"    \S+(?: - .*)?\n?", text):
            self.programs[-1][2].append(text.strip())
        if self.held:
            self.held.append(text)
        else:
            self.say(text)

    def flush(self):
        for text in self.held:
            self.say(text)
        self.held = []

    def failures(self):
        """Program and test of each failure; None when a program ended without a summary."""
        if any(summary is None for _, summary, _ in self.programs):
            return None
        failed = [program for program in self.programs if "FAILED" in program[1]]
        if any(not names for _, _, names in failed) or bool(failed) != bool(self.code):
            return None
        return [(name, test) for name, _, tests in failed for test in tests]


def cargo(program, arguments, take):
    child = subprocess.Popen(
        [program, "test", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    for line in child.stdout:
        take(line)
    return child.wait()


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def again(program, arguments, logs, name, test, first):
    """Whether a test passes the second time. The logs of both runs are kept."""
    place = logs / f"{name}-{test.replace('::', '-')}"
    place.with_suffix(".first.log").write_text("".join(first))
    lines = []
    code = cargo(program, [*arguments, "--test", name, "--", "--exact", test, "--nocapture"], lines.append)
    place.with_suffix(".again.log").write_text("".join(lines))
    # A name that matches nothing passes, too.
    passed = code == 0 and any(line.startswith("test result: ok. 1 passed") for line in lines)
    return passed, place


def targets(program):
    """The names of all integration tests."""
    told = subprocess.run(
        [program, "metadata", "--no-deps", "--format-version", "1"], stdout=subprocess.PIPE, text=True, check=True
    )
    packages = json.loads(told.stdout)["packages"]
    return sorted({target["name"] for package in packages for target in package["targets"] if "test" in target["kind"]})


def all_of_them(program, arguments):
    """The runs, that of the documentation last."""
    waiting = []
    beside, others, examples = Run(waiting.append), Run(say), Run(say)

    def go(run, *chosen):
        run.code = cargo(program, [*arguments, *chosen, "--no-fail-fast"], run.line)

    lane = threading.Thread(target=go, args=(beside, "--test", BESIDE))
    lane.start()
    go(others, "--lib", "--bins", *(word for name in targets(program) if name != BESIDE for word in ("--test", name)))
    others.flush()
    lane.join()
    beside.flush()
    say("".join(waiting))
    go(examples, "--doc")
    return [beside, others, examples]


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--cargo", default="cargo")
    options.add_argument("--logs", type=Path, default=Path("target/flaky"))
    options, arguments = options.parse_known_args()
    begin = time.monotonic()
    runs = all_of_them(options.cargo, arguments)
    last = runs[-1]
    code = next((run.code for run in runs if run.code), 0)
    if code == 0:
        say(f"== cargo test took {time.monotonic() - begin:.0f} s\n")
        last.flush()
        return 0
    lists = [run.failures() for run in runs]
    failures = None if None in lists else sum(lists, [])
    forgivable = failures is not None and len(failures) <= FORGIVEN and all(name in FOREIGN for name, _ in failures)
    if not forgivable:
        last.flush()
        return code
    options.logs.mkdir(parents=True, exist_ok=True)
    say("\n")
    good = True
    first = [text for run in runs for text in run.all]
    for name, test in failures:
        passed, place = again(options.cargo, arguments, options.logs, name, test, first)
        say(f"{'FLAKY' if passed else 'FAILED twice'} {name} {test}: {place}.*.log\n")
        good = good and passed
    say(f"== cargo test took {time.monotonic() - begin:.0f} s\n")
    last.flush()
    return 0 if good else code


if __name__ == "__main__":
    sys.exit(main())
