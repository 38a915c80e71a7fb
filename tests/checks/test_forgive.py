"""What forgive.py forgives, with a cargo that is a script."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FORGIVE = Path(__file__).with_name("forgive.py")


def program(name, failed=(), passed=3):
    """What cargo test says of one program."""
    text = f"     Running {name}.rs (target/debug/deps/{name}-0123456789abcdef)\n\nrunning {passed + len(failed)} tests\n"
    for test in failed:
        text += f"test {test} ... FAILED\n"
    if failed:
        text += "\nfailures:\n\n"
        for test in failed:
            text += f"---- {test} stdout ----\nfailures of all sorts\n    a line that is set in\n\n"
        text += "\nfailures:\n" + "".join(f"    {test}\n" for test in failed) + "\n"
    word = "FAILED" if failed else "ok"
    return text + f"test result: {word}. {passed} passed; {len(failed)} failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\n"


DOC = program("doc").replace("     Running doc.rs (target/debug/deps/doc-0123456789abcdef)", "   Doc-tests ortc")
RUNS = 3
METADATA = {
    "packages": [
        {"targets": [{"name": "ortc", "kind": ["lib"]}, {"name": "it", "kind": ["test"]}]},
        {"targets": [{"name": "it", "kind": ["test"]}, {"name": "browser", "kind": ["test"]}]},
    ]
}


def forgive(*programs, second="ok", end="", doc=DOC, doc_code=0):
    """The exit code, the output, and how cargo was called to test."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        codes = {}
        for run, said in {
            "beside": [text for text in programs if "/browser-" in text],
            "others": [text for text in programs if "/browser-" not in text],
            "doc": [doc],
        }.items():
            text = "".join(said)
            codes[run] = 101 if "FAILED" in text or (end and run == "others") or (doc_code and run == "doc") else 0
            if codes[run]:
                text += (end if run == "others" else "") + "error: 1 target failed:\n    `-p ortc-tests --test browser`\n"
            (folder / run).write_text(text)
        (folder / "metadata").write_text(json.dumps(METADATA))
        summary = {
            "ok": "test result: ok. 1 passed; 0 failed",
            "none": "test result: ok. 0 passed; 0 failed",
            "failed": "test result: FAILED. 0 passed; 1 failed",
        }[second]
        cargo = folder / "cargo"
        cargo.write_text(
            f"""#!/bin/sh
case "$*" in
  metadata*) cat {folder}/metadata; exit 0 ;;
esac
echo "$*" >>{folder}/calls
case "$*" in
  *--exact*) echo '{summary}'; {'exit 101' if second == 'failed' else 'exit 0'} ;;
  *--doc*) cat {folder}/doc; exit {codes["doc"]} ;;
  *"--test browser"*) cat {folder}/beside; exit {codes["beside"]} ;;
  *) cat {folder}/others; exit {codes["others"]} ;;
esac
"""
        )
        cargo.chmod(0o755)
        logs = folder / "logs"
        ended = subprocess.run(
            [sys.executable, FORGIVE, "--cargo", cargo, "--logs", logs, "--all-features"], capture_output=True, text=True
        )
        calls = (folder / "calls").read_text().splitlines()
        kept = sorted(log.name for log in logs.glob("*")) if logs.exists() else []
        return ended.returncode, ended.stdout, calls, kept


class Forgive(unittest.TestCase):
    def test_a_good_run_ends_with_cargos_summary(self):
        code, out, calls, kept = forgive(program("ortc"), program("browser"))
        self.assertEqual((code, len(calls), kept), (0, RUNS, []))
        self.assertTrue(out.strip().splitlines()[-1].startswith("test result: ok. 3 passed"))
        self.assertNotIn("FLAKY", out)

    def test_browsers_run_beside_all_others_and_the_documentation_last(self):
        _, out, calls, _ = forgive(program("ortc"), program("browser"), program("it"))
        self.assertEqual(
            sorted(calls[:2]),
            [
                "test --all-features --lib --bins --test it --no-fail-fast",
                "test --all-features --test browser --no-fail-fast",
            ],
        )
        self.assertEqual(calls[2:], ["test --all-features --doc --no-fail-fast"])
        order = [out.index(text) for text in ("/ortc-", "/it-", "/browser-", "Doc-tests")]
        self.assertEqual(order, sorted(order))
        self.assertEqual(out.count("test result: ok. 3 passed"), 4)

    def test_a_failure_without_a_name_is_not_forgiven(self):
        for doc in ("error: could not compile the examples\n", DOC + "error: FAILED\n"):
            code, _, calls, _ = forgive(program("ortc"), program("browser", ["pages_call"]), doc=doc, doc_code=101)
            self.assertEqual((code, len(calls)), (101, RUNS), doc)

    def test_a_foreign_test_that_passes_the_second_time_is_flaky_and_the_run_good(self):
        code, out, calls, kept = forgive(program("browser", ["pages_call"]), program("ortc"))
        self.assertEqual(code, 0)
        self.assertEqual(calls[RUNS], "test --all-features --test browser -- --exact pages_call --nocapture")
        self.assertIn("FLAKY browser pages_call", out)
        self.assertEqual(kept, ["browser-pages_call.again.log", "browser-pages_call.first.log"])
        self.assertTrue(out.strip().splitlines()[-1].startswith("test result: ok. 3 passed"))

    def test_one_that_fails_twice_fails(self):
        code, out, calls, _ = forgive(program("interop", ["aiortc"]), program("ortc"), second="failed")
        self.assertEqual((code, len(calls)), (101, RUNS + 1))
        self.assertNotIn("FLAKY", out)

    def test_one_that_is_not_found_again_fails(self):
        code, out, _, _ = forgive(program("interop", ["aiortc"]), program("ortc"), second="none")
        self.assertEqual(code, 101)
        self.assertNotIn("FLAKY", out)

    def test_tests_of_our_own_are_never_repeated(self):
        for programs in (
            [program("api", ["connection::a001_new"])],
            [program("ortc", ["engine::ice"]), program("browser", ["pages_call"])],
            [program("browser", ["pages_call"]), program("lifecycle", ["x"])],
        ):
            code, _, calls, _ = forgive(*programs)
            self.assertEqual((code, len(calls)), (101, RUNS), programs)

    def test_two_are_forgiven_and_not_three(self):
        two = [program("browser", ["one"]), program("interop", ["two"])]
        code, out, calls, _ = forgive(*two)
        self.assertEqual((code, len(calls), out.count("FLAKY")), (0, RUNS + 2, 2))
        code, _, calls, _ = forgive(program("browser", ["one", "three"]), program("interop", ["two"]))
        self.assertEqual((code, len(calls)), (101, RUNS))

    def test_a_program_that_dies_and_a_build_that_fails_are_not_forgiven(self):
        dead = program("browser").split("test result")[0]
        code, _, calls, _ = forgive(program("ortc"), dead, end="error: test failed, to rerun pass\n")
        self.assertEqual((code, len(calls)), (101, RUNS))
        code, _, calls, _ = forgive(end="error[E0425]: cannot find value\n")
        self.assertEqual((code, len(calls)), (101, RUNS))


if __name__ == "__main__":
    unittest.main()
