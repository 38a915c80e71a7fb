#!/usr/bin/env python3
"""Finds circles among the modules of a crate: files that import each other, directly or around.

    import_circles.py src            all circles; exit 1 if there is one
    import_circles.py --graph src    what each file imports

A file imports another when a path in it, in a `use` or in the code, ends in what that other file
defines; re-exports are followed to where the item is. What only tests and fuzzing see is left out.
"""

import re
import sys
from pathlib import Path

CFG = re.compile(r"#\[cfg\(([^\]]*)\)\]\s*")
# Where an item may be seen from: a path that brings nothing in.
VISIBILITY = re.compile(r"\bpub\s*\(\s*in\s[^)]*\)")


def without_comments(text):
    """Comments and the contents of literals become blanks."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\\\'])\'', re.S
    )
    return pattern.sub(lambda found: " ", text)


def may_hold(predicate):
    """Whether what stands behind #[cfg(predicate)] can be in a build that is for use."""
    predicate = predicate.strip()
    of = re.match(r"(any|all|not)\s*\((.*)\)$", predicate, re.S)
    if not of:
        return predicate not in ("test", "fuzzing", "doctest")
    if of.group(1) == "not":
        return True
    parts, depth, begin = [], 0, 0
    inside = of.group(2) + ","
    for position, character in enumerate(inside):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(inside[begin:position])
            begin = position + 1
    held = [may_hold(part) for part in parts if part.strip()]
    return any(held) if of.group(1) == "any" else all(held)


def test_only(text):
    """The attributes that leave the item after them to tests and fuzzing."""
    return (found for found in CFG.finditer(text) if not may_hold(found.group(1)))


def end_of_item(text, start):
    """The end of the item that begins at start: its semicolon or closing brace."""
    depth = 0
    for position in range(start, len(text)):
        character = text[position]
        if character in "{([":
            depth += 1
        elif character in "})]":
            depth -= 1
            if depth < 0:  # a field or an argument: what surrounds it ends here
                return position
            if depth == 0 and character == "}":
                return position + 1
        elif character == ";" and depth == 0:
            return position + 1
    return len(text)


def without_tests(text):
    """Without items that stand behind #[cfg(test)]; also gives the names of such modules."""
    names, kept, position = set(), [], 0
    for found in test_only(text):
        if found.start() < position:
            continue
        kept.append(text[position : found.start()])
        position = end_of_item(text, found.end())
        module = re.search(r"\bmod\s+(\w+)\s*;", text[found.end() : position])
        if module:
            names.add(module.group(1))
    kept.append(text[position:])
    return "".join(kept), names


def inline_modules_flat(text):
    """What a module written inside a file calls super is the file itself."""
    position = 0
    while found := re.compile(r"\bmod\s+\w+\s*(?=\{)").search(text, position):
        end = end_of_item(text, found.end())
        inside = inline_modules_flat(text[found.end() : end])
        # The first step up of a path leads to the file, further ones lead out of it.
        inside = re.sub(r"(?<!super::)\bsuper\b", "self", inside)
        text = text[: found.end()] + inside + text[end:]
        position = found.end() + len(inside)
    return text


def use_paths(tree, prefix=()):
    """The (path, name) pairs of a use tree; the name is None for a glob."""
    tree = tree.strip()
    if tree.startswith("::"):
        return
    head = re.match(r"(?:(\w+)\s*::\s*)*", tree)
    path = prefix + tuple(re.findall(r"\w+", head.group(0)))
    rest = tree[head.end() :].strip()
    if rest.startswith("{"):
        depth, begin = 0, 1
        for position, character in enumerate(rest):
            if character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
            if (character == "," and depth == 1) or (character == "}" and depth == 0):
                if rest[begin:position].strip():
                    yield from use_paths(rest[begin:position], path)
                begin = position + 1
    elif rest == "*":
        yield path, None
    else:
        name = re.match(r"(\w+)(?:\s+as\s+(\w+))?", rest)
        if name.group(1) == "self":
            yield path, name.group(2) or path[-1]
        else:
            yield path + (name.group(1),), name.group(2) or name.group(1)


class Crate:
    def __init__(self, root):
        self.root = Path(root)
        self.files, self.text = {}, {}
        self.children, self.imports, self.parent = {}, {}, {}
        head = self.root / "lib.rs"
        self.read((), head if head.exists() else self.root / "main.rs", self.root)
        for module in self.files:
            self.imports[module] = self.uses(module)

    def read(self, module, file, directory):
        text, hidden = without_tests(without_comments(file.read_text()))
        text = VISIBILITY.sub("pub", text)
        self.files[module], self.text[module] = file, inline_modules_flat(text)
        self.children[module] = set()
        if re.search(r"\bextern\s+crate\s+self\b", text):
            sys.exit(f"{file}: extern crate self hides imports; crate:: says the same")
        for name in sorted(set(re.findall(r"\bmod\s+(\w+)\s*;", text)) - hidden):
            places = (directory / f"{name}.rs", directory / name / "mod.rs")
            child = next(filter(Path.exists, places), None)
            if child is None:
                sys.exit(f"{file}: mod {name} has no file of its name; #[path] is for tests")
            self.children[module].add(name)
            self.read(module + (name,), child, directory / name)

    def absolute(self, module, path):
        """A path from the root of the crate, or None when it leads out of it."""
        path = list(path)
        if path[0] == "crate":
            return tuple(path[1:])
        base = module
        if path[0] in ("self", "super"):
            while path and path[0] in ("self", "super"):
                if path.pop(0) == "super":
                    base = base[:-1]
            return base + tuple(path)
        if path[0] in self.children[module]:
            return module + tuple(path)
        return None

    def uses(self, module):
        """What a module's use statements bring in: name to absolute path; globs as *n."""
        found = {}
        for use in re.finditer(r"\buse\s+([^;]+);", self.text[module]):
            for path, name in use_paths(use.group(1)):
                if not path:
                    continue
                absolute = self.absolute(module, path)
                if absolute is not None:
                    found[name or f"*{len(found)}"] = absolute
        return found

    def defines(self, module, name):
        return re.search(
            rf"\b(?:struct|enum|union|trait|type|fn|const|static|macro_rules!)\s+(?:mut\s+)?{name}\b",
            self.text[module],
        )

    def origin(self, path, seen=()):
        """The module in which the item at a path is defined."""
        module = path
        while module not in self.files:
            module = module[:-1]
        rest = path[len(module) :]
        if not rest or self.defines(module, rest[0]) or (module, rest[0]) in seen:
            return module
        seen = (*seen, (module, rest[0]))
        imports = self.imports.get(module) or self.uses(module)
        if rest[0] in imports:
            return self.origin(imports[rest[0]] + rest[1:], seen)
        for name, target in imports.items():
            if name.startswith("*") and target in self.files and self.defines(target, rest[0]):
                return target
        return module

    def targets(self, module):
        """The modules that a module imports."""
        found = set()
        for path in self.imports[module].values():
            found.add(self.origin(path))
        body = re.sub(r"\buse\s+[^;]+;", " ", self.text[module])
        for match in re.finditer(r"(?<![\w:])((?:\w+\s*::\s*)+\w+)", body):
            path = re.findall(r"\w+", match.group(1))
            absolute = self.absolute(module, path)
            if absolute is None and path[0] in self.imports[module]:
                absolute = self.imports[module][path[0]] + tuple(path[1:])
            if absolute is not None:
                found.add(self.origin(absolute))
        return found - {module}

    def graph(self):
        return {module: self.targets(module) for module in self.files}


def circles(graph):
    """The strongly connected parts of more than one module (Tarjan)."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for target in sorted(graph[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in on_stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            part = []
            while True:
                member = stack.pop()
                on_stack.discard(member)
                part.append(member)
                if member == node:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main(arguments):
    show = "--graph" in arguments
    roots = [argument for argument in arguments if not argument.startswith("--")]
    if len(roots) != 1:
        sys.exit(__doc__)
    crate = Crate(roots[0])
    graph = crate.graph()

    def name(module):
        return str(crate.files[module].relative_to(crate.root))

    if show:
        for module in sorted(graph):
            print(name(module), "->", ", ".join(sorted(name(target) for target in graph[module])))
        return 0
    found = circles(graph)
    for part in found:
        print(f"{len(part)} files import each other in a circle:")
        for module in part:
            inside = sorted(name(target) for target in graph[module] if target in part)
            print(f"  {name(module)} imports {', '.join(inside)}")
    if not found:
        print(f"{len(graph)} modules, no circle")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
