"""README's lines, pasted one after another into a shell, find what they stored."""
import os
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")


def blocks_of(section):
    """The shell lines of each code block of a README section."""
    text = (ROOT / "README.md").read_text()
    body = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.M | re.S).group(1)
    return re.findall(r"^```\n(.*?)^```$", body, re.M | re.S)


@unittest.skipIf(not PROGRAM, "set MEMSEAL_PROGRAM (scripts/test e2e does)")
class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        start, cls.lines = blocks_of("Try it")
        cls.folder = tempfile.TemporaryDirectory(prefix="memseal-readme-")
        cls.at = Path(cls.folder.name)
        (cls.at / "build/release").mkdir(parents=True)
        (cls.at / "build/release/memseal").symlink_to(PROGRAM)
        (cls.at / "README.md").write_bytes((ROOT / "README.md").read_bytes())
        cls.env = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MEMSEAL__", "MEMSEAL_TOKEN", "MEMSEAL_CONFIG", "MEMORY_"))}
        words = [line for line in start.splitlines() if line and not line.startswith("make ")]
        listen = {"MEMSEAL__HTTP__LISTEN": "127.0.0.1:0", "MEMSEAL__HTTP__ADMIN_LISTEN": "127.0.0.1:0"}
        cls.log = open(cls.at / "dev.log", "w+")
        cls.dev = subprocess.Popen(["bash", "-c", "exec " + "\n".join(words)], cwd=cls.at,
                                   env=dict(cls.env, **listen), stdin=subprocess.DEVNULL,
                                   stdout=cls.log, stderr=cls.log)
        deadline = time.time() + 60
        while not (cls.at / "dev.env").exists():
            if cls.dev.poll() is not None or time.time() > deadline:
                raise RuntimeError("dev did not start: " + (cls.at / "dev.log").read_text())
            time.sleep(0.01)

    @classmethod
    def tearDownClass(cls):
        cls.dev.terminate()
        cls.dev.wait(30)
        left = (cls.at / "dev.env").exists()
        cls.log.close()
        cls.folder.cleanup()
        if left:
            raise AssertionError("dev.env outlived its service")

    def paste(self, lines):
        """What a shell prints that reads `lines` from its input."""
        done = subprocess.run(["bash"], input=lines, cwd=self.at, env=self.env, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_the_pasted_lines_find_what_they_stored(self):
        shown = self.paste(self.lines)
        self.assertRegex(shown, r"stored README\.md, \d+ chunks, \d+ ms\n")
        self.assertRegex(shown, r"stored conversation c1, 1 chunk, \d+ ms\n")
        self.assertRegex(shown, r"(?m)^ *1\. .*\n? .*My dentist is Dr\. Novak\.")

    def test_they_do_so_twenty_times_of_twenty(self):
        """README's lines again and again, each time about another person: each finds what it has just stored."""
        jobs = ["plumber", "baker", "lawyer", "tailor", "butcher", "florist", "barber", "painter", "glazier", "roofer",
                "teacher", "pilot", "nurse", "judge", "tuner", "cook", "gardener", "jeweller", "printer", "miller"]
        lines = self.lines.splitlines()
        chat = next(line for line in lines if " publish chat " in line)
        ask = next(line for line in lines if " query " in line)
        self.assertTrue("dentist" in chat and "Dr. Novak" in chat and " c1 " in chat and "dentist" in ask)
        pasted = ["set -e", lines[0]]
        for i, job in enumerate(jobs):
            pasted += [chat.replace("dentist", job).replace("Dr. Novak", f"Mr. Novak the {i}th").replace(" c1 ", f" job{i} "),
                       ask.replace("dentist", job), f"echo end of {job}"]
        shown = self.paste("\n".join(pasted) + "\n")
        for i, job in enumerate(jobs):
            part, _, shown = shown.partition(f"end of {job}\n")
            self.assertRegex(part, rf"(?m)^ *1\. .*\n? .*My {job} is Mr\. Novak the {i}th\.")

    def test_a_second_service_names_what_to_do_at_once(self):
        listen = re.search(r"MEMSEAL__HTTP__LISTEN=(\S+)", (self.at / "dev.env").read_text()).group(1)
        began = time.time()
        done = subprocess.run([PROGRAM, "dev", "--set", f"http.listen={listen}"], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        self.assertLess(time.time() - began, 1)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--set http.listen=127.0.0.1:0", done.stderr)


if __name__ == "__main__":
    unittest.main()
