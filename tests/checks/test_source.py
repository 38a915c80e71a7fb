"""That import_circles.py, layers.py and lengths.py find what they are for, in copies of a small crate."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
TREE = {
    "lib.rs": "mod lower;\nmod upper;\npub use upper::Upper;\n",
    "lower.rs": "//! Plain.\npub(crate) struct Plain;\n#[cfg(test)]\nmod tests {\n    use crate::upper::Upper;\n}\n",
    "upper/mod.rs": "mod part;\npub use part::Part;\nuse crate::lower::Plain;\npub struct Upper(Plain);\n",
    "upper/part.rs": "use crate::lower::Plain;\npub struct Part(Plain);\n",
}


def check(script, **changed):
    """What a check says of the tree, with some files changed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**TREE, **changed}.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        ended = subprocess.run([sys.executable, HERE / script, folder], capture_output=True, text=True)
        return ended.returncode, ended.stdout + ended.stderr


class Circles(unittest.TestCase):
    def test_none_in_a_tree_without(self):
        self.assertEqual(check("import_circles.py"), (0, "4 modules, no circle\n"))

    def test_two_files_that_import_each_other(self):
        code, out = check("import_circles.py", **{"lower.rs": "pub(crate) struct Plain;\nfn up(_: crate::upper::Upper) {}\n"})
        self.assertEqual(code, 1)
        self.assertIn("lower.rs imports upper", out)

    def test_a_part_that_imports_what_declares_it(self):
        code, out = check("import_circles.py", **{"upper/part.rs": "use super::Upper;\npub struct Part(Upper);\n",
                                                  "upper/mod.rs": "mod part;\nuse part::Part;\npub struct Upper(Part);\n"})
        self.assertEqual(code, 1)
        self.assertIn("2 files", out)

    def test_one_that_goes_around_by_a_reexport(self):
        code, out = check("import_circles.py", **{"lower.rs": "use crate::Upper;\npub(crate) struct Plain;\n"})
        self.assertEqual(code, 1)
        self.assertIn("lower.rs", out)

    def test_what_only_tests_import_is_none(self):
        text = TREE["lower.rs"].replace("#[cfg(test)]\n", "")
        self.assertEqual(check("import_circles.py", **{"lower.rs": text.replace("mod tests {\n", "").replace("\n}\n", "\n")})[0], 1)
        self.assertEqual(check("import_circles.py")[0], 0)

    def test_what_only_some_builds_have_counts(self):
        def code(predicate):
            up = f"pub(crate) struct Plain;\n#[cfg({predicate})]\nfn up(_: crate::upper::Upper) {{}}\n"
            return check("import_circles.py", **{"lower.rs": up})[0]

        for predicate in ("unix", "not(test)", "any(test, unix)", 'any(fuzzing, feature = "x")', "all(unix, not(fuzzing))"):
            self.assertEqual(code(predicate), 1, predicate)
        for predicate in ("test", "any(test, fuzzing)", 'all(test, feature = "x")', "all(unix, any(test, fuzzing))"):
            self.assertEqual(code(predicate), 0, predicate)

    def test_what_is_brought_in_by_other_names(self):
        ways = (
            "use crate as all;\nfn up(_: all::upper::Upper) {}\n",
            "use crate::upper as lo;\nfn up(_: lo::Upper) {}\n",
            "fn up() {\n    use super::{upper::{self, Upper as Down}};\n}\n",
            "use crate::upper::*;\n",
            "macro_rules! up {\n    () => { $crate::upper::Upper };\n}\n",
            "mod inside {\n    fn up(_: super::super::upper::Upper) {}\n}\n",
        )
        for way in ways:
            self.assertEqual(check("import_circles.py", **{"lower.rs": "pub(crate) struct Plain;\n" + way})[0], 1, way)

    def test_what_would_hide_imports_is_refused(self):
        for way in ("extern crate self as name;\n", '#[path = "other.rs"]\nmod lost;\n'):
            code, out = check("import_circles.py", **{"lower.rs": "pub(crate) struct Plain;\n" + way})
            self.assertEqual(code, 1, way)
            self.assertIn("lower.rs", out)

    def test_where_an_item_may_be_seen_is_none(self):
        parts = {"upper/mod.rs": "mod part;\npub use part::Part;\npub struct Upper(Part);\n"}
        seen = {"upper/part.rs": "pub(in crate::upper) struct Part;\n"}
        self.assertEqual(check("import_circles.py", **parts, **seen)[0], 0)
        named = {"upper/part.rs": "pub(in crate::upper) struct Part(crate::upper::Upper);\n"}
        self.assertEqual(check("import_circles.py", **parts, **named)[0], 1)


class Layers(unittest.TestCase):
    FILES = {"lib.rs": "mod engine;\nmod error;\npub use engine::Engine;\n",
             "engine.rs": "use crate::error::Error;\npub struct Engine(Error);\n",
             "error.rs": "pub struct Error;\n"}

    def test_none_in_a_tree_without(self):
        code, out = check("layers.py", **self.FILES)
        self.assertEqual(code, 0, out)

    def test_an_import_upwards_that_is_no_circle(self):
        files = {**self.FILES, "engine.rs": "pub struct Engine;\n", "error.rs": "pub struct Error(crate::engine::Engine);\n"}
        code, out = check("layers.py", **files)
        self.assertEqual(code, 1)
        self.assertIn("engine.rs, which is above it", out)
        self.assertEqual(check("import_circles.py", **files)[0], 0)

    def test_what_is_in_no_layer(self):
        code, out = check("layers.py", **{**self.FILES, "lib.rs": "mod engine;\nmod error;\nmod fresh;\n", "fresh.rs": "struct A;\n"})
        self.assertEqual(code, 1)
        self.assertIn("fresh is in no layer", out)


class Lengths(unittest.TestCase):
    def test_none_in_a_short_tree(self):
        self.assertEqual(check("lengths.py"), (0, "4 files, none too long\n"))

    def test_a_file_of_501_lines_and_not_one_of_500(self):
        self.assertEqual(check("lengths.py", **{"lower.rs": "struct A;\n" * 500})[0], 0)
        code, out = check("lengths.py", **{"lower.rs": "struct A;\n" * 501})
        self.assertEqual(code, 1)
        self.assertIn("lower.rs: 501 lines", out)

    def test_a_function_of_81_lines_and_not_one_of_80(self):
        body = "impl A {\n    pub async fn long() {\n" + '        let brace = "}";\n' * 78 + "    }\n}\n"
        self.assertEqual(check("lengths.py", **{"lower.rs": body})[0], 0)
        code, out = check("lengths.py", **{"lower.rs": body.replace("78", "").replace("    }\n}", "// one\n    }\n}")})
        self.assertEqual(code, 1)
        self.assertIn("lower.rs:2: long has 81 lines", out)

    def test_tests_are_apart(self):
        text = "struct A;\n#[cfg(test)]\nmod tests {\n" + "    struct B;\n" * 600 + "}\n"
        self.assertEqual(check("lengths.py", **{"lower.rs": text})[0], 0)


if __name__ == "__main__":
    unittest.main()
