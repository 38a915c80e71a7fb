"""What dependencies.py finds, in metadata made up for it."""

import unittest

from dependencies import CRATES_IO, allowed, faults

DENY = {"licenses": {"allow": ["MIT", "Apache-2.0"]}, "bans": {"deny": [{"crate": "webrtc"}]}}


def package(name, **fields):
    return {
        "name": name, "version": "1.0.0", "id": name, "source": CRATES_IO, "publish": None, "license": "MIT",
        "rust_version": None, "dependencies": [], **fields,
    }


def found(*packages, kind=None):
    own = package("ortc", source=None, rust_version="1.90")
    every = [own, *packages]
    deps = [{"pkg": one["id"], "dep_kinds": [{"kind": kind}]} for one in packages]
    nodes = [{"id": one["id"], "deps": deps if one is own else []} for one in every]
    return list(faults({"packages": every, "resolve": {"nodes": nodes}}, DENY))


class Dependencies(unittest.TestCase):
    def test_expressions_of_licences(self):
        allow = {"MIT", "Apache-2.0", "ISC"}
        for yes in ("MIT", "MIT OR GPL-3.0", "GPL-3.0 OR (MIT AND ISC)", "MIT/Apache-2.0", "(MIT OR GPL-2.0) AND ISC"):
            self.assertTrue(allowed(yes, allow), yes)
        for no in ("GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT OR ISC) AND GPL-2.0", "none"):
            self.assertFalse(allowed(no, allow), no)

    def test_what_is_well_is_not_found(self):
        self.assertEqual(found(package("bytes", rust_version="1.57")), [])

    def test_each_kind_of_fault_is_found(self):
        self.assertIn("licence", found(package("a", license="GPL-3.0-only"))[0])
        self.assertIn("licence", found(package("a", license=None))[0])
        self.assertIn("banned", found(package("webrtc"))[0])
        self.assertIn("comes from", found(package("a", source="git+https://example.org/a"))[0])
        self.assertIn("needs Rust 1.91", found(package("a", rust_version="1.91"))[0])
        self.assertIn("needs Rust 1.90.1", found(package("a", rust_version="1.90.1"))[0])

    def test_what_only_tests_need_may_be_newer(self):
        self.assertEqual(found(package("a", rust_version="1.95"), kind="dev"), [])


if __name__ == "__main__":
    unittest.main()
