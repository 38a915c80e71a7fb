#!/usr/bin/env python3
"""Finds files and functions of a crate that are too long to be read at once.

    lengths.py src    files of more than 500 lines, functions of more than 80; exit 1 if there is one

What only tests and fuzzing see is left out.
"""

import re
import sys

from import_circles import Crate, end_of_item, test_only

FILE, FUNCTION = 500, 80
LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\\\'])\'', re.S)
HEAD = re.compile(r"\bfn\s+(\w+)")


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def code(text):
    """The text with comments, literals and what is for tests alone as blanks, line by line the same."""
    text = LITERAL.sub(lambda found: blank(found.group(0)), text)
    position, kept, only_tests = 0, [], 0
    for found in test_only(text):
        if found.start() < position:
            continue
        end = end_of_item(text, found.end())
        kept += [text[position : found.start()], blank(text[found.start() : end])]
        only_tests += text.count("\n", found.start(), end)
        position = end
    return "".join([*kept, text[position:]]), only_tests


def functions(text):
    """Name, first line and length of each function that has a body."""
    for found in HEAD.finditer(text):
        end = end_of_item(text, found.end())
        if "{" in text[found.end() : end]:
            yield found.group(1), text.count("\n", 0, found.start()) + 1, text.count("\n", found.start(), end) + 1


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    crate = Crate(arguments[0])
    faults, files = [], 0
    for file in sorted(set(crate.files.values())):
        files += 1
        text = file.read_text()
        bare, only_tests = code(text)
        lines = text.count("\n") - only_tests
        if lines > FILE:
            faults.append(f"{file}: {lines} lines, more than {FILE}")
        for name, at, length in functions(bare):
            if length > FUNCTION:
                faults.append(f"{file}:{at}: {name} has {length} lines, more than {FUNCTION}")
    print("\n".join(faults) or f"{files} files, none too long")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
