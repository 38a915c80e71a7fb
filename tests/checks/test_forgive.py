"""What forgive.py forgives, with a cargo that is a script."""

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


def forgive(*programs, second="ok", end=""):
    """The exit code, the output, and how often cargo was called."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        text = "".join(programs)
        failed = "FAILED" in text or end
        if failed:
            end += "error: 1 target failed:\n    `-p ortc-tests --test browser`\n"
        (folder / "first").write_text(text + end)
        summary = {
            "ok": "test result: ok. 1 passed; 0 failed",
            "none": "test result: ok. 0 passed; 0 failed",
            "failed": "test result: FAILED. 0 passed; 1 failed",
        }[second]
        cargo = folder / "cargo"
        cargo.write_text(
            f"""#!/bin/sh
echo "$*" >>{folder}/calls
case "$*" in
  *--exact*) echo '{summary}'; {'exit 101' if second == 'failed' else 'exit 0'} ;;
  *) cat {folder}/first; exit {101 if failed else 0} ;;
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
        self.assertEqual((code, len(calls), kept), (0, 1, []))
        self.assertTrue(out.strip().splitlines()[-1].startswith("test result: ok. 3 passed"))
        self.assertNotIn("FLAKY", out)

    def test_a_foreign_test_that_passes_the_second_time_is_flaky_and_the_run_good(self):
        code, out, calls, kept = forgive(program("browser", ["pages_call"]), program("ortc"))
        self.assertEqual(code, 0)
        self.assertEqual(calls[1], "test --all-features --test browser -- --exact pages_call --nocapture")
        self.assertIn("FLAKY browser pages_call", out)
        self.assertEqual(kept, ["browser-pages_call.again.log", "browser-pages_call.first.log"])
        self.assertTrue(out.strip().splitlines()[-1].startswith("test result: ok. 3 passed"))

    def test_one_that_fails_twice_fails(self):
        code, out, calls, _ = forgive(program("interop", ["aiortc"]), program("ortc"), second="failed")
        self.assertEqual((code, len(calls)), (101, 2))
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
            self.assertEqual((code, len(calls)), (101, 1), programs)

    def test_two_are_forgiven_and_not_three(self):
        two = [program("browser", ["one"]), program("interop", ["two"])]
        code, out, calls, _ = forgive(*two)
        self.assertEqual((code, len(calls), out.count("FLAKY")), (0, 3, 2))
        code, _, calls, _ = forgive(program("browser", ["one", "three"]), program("interop", ["two"]))
        self.assertEqual((code, len(calls)), (101, 1))

    def test_a_program_that_dies_and_a_build_that_fails_are_not_forgiven(self):
        dead = program("browser").split("test result")[0]
        code, _, calls, _ = forgive(program("ortc"), dead, end="error: test failed, to rerun pass\n")
        self.assertEqual((code, len(calls)), (101, 1))
        code, _, calls, _ = forgive(end="error[E0425]: cannot find value\n")
        self.assertEqual((code, len(calls)), (101, 1))


if __name__ == "__main__":
    unittest.main()
