"""What a person met who used memseal for the first time, line by line. One row for each line of that report: its wrong usage
(D) and its bugs (F). Each row tries the thing itself; what needs a table of its own or a bench has one elsewhere too. One
`memseal dev` serves all rows; one service whose broker is away and whose limits are small, a few."""
import json
import os
import pty
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import Deployment, missing
from newcomer import PROGRAM, ROWS, Bed, bugs, usage  # noqa: F401: rows are added where they stand


@unittest.skipIf(missing(), missing())
class Newcomer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memseal-newcomer-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name).resolve()
        cls.folder.chmod(0o755)  # PostgreSQL does not run as root, and its folder lies below
        cls.keyring = cls.folder / "dev/keyring"
        cls.env = {name: value for name, value in os.environ.items() if not name.startswith(("MEMSEAL_", "MEMORY_"))}
        cls.shown = bytearray()
        outer, inner = pty.openpty()
        cls.dev = subprocess.Popen(
            [PROGRAM, "dev", "--json", "--dir", cls.folder / "dev", "--set", "http.listen=127.0.0.1:0",
             "--set", "http.admin_listen=127.0.0.1:0"], env={**cls.env, "TERM": "xterm-256color", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=inner, text=True)
        os.close(inner)
        reader = threading.Thread(target=cls.read_log, args=(outer,))
        reader.start()
        cls.addClassCleanup(os.close, outer)
        cls.addClassCleanup(reader.join)
        cls.addClassCleanup(cls.end_dev)
        cls.away = Deployment(ratelimit__query_requests=1, ratelimit__window_s=3600, kafka__brokers="127.0.0.1:1")
        cls.addClassCleanup(cls.away.close)
        cls.away.start()
        line = cls.dev.stdout.readline()
        if not line:
            raise RuntimeError("dev did not start: " + cls.log())
        cls.ready = json.loads(line)
        cls.url = cls.ready["url"]
        cls.env.update(cls.ready["env"])

    @classmethod
    def end_dev(cls):
        cls.dev.terminate()
        cls.dev.wait(60)
        cls.dev.stdout.close()

    @classmethod
    def read_log(cls, terminal):
        while True:
            try:
                cls.shown += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                return

    @classmethod
    def log(cls):
        return cls.shown.decode(errors="replace")

    def run_(self, *words, code=0, env=None, cwd=None, stdout=subprocess.PIPE, stdin=None):
        return subprocess.run([PROGRAM, *map(str, words)], input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                              stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, cwd=cwd or self.folder,
                              env={**self.env, **(env or {})}), code

    def test_every_line(self):
        lines = {f"D{number}" for number in range(1, 31)} | {f"F{number}" for number in range(1, 23)}
        self.assertEqual(set(ROWS), lines)
        tried = {}
        at = Bed(self)
        last = ROWS["F2"]  # it gives the models work
        # Wrong usage first: meanwhile the service without a broker learns that it has none.
        rows = sorted((one for one in ROWS.values() if one != last), key=lambda one: one[0][0])
        for name, function in [*rows, last]:
            with self.subTest(name):
                if function not in tried:
                    tried[function] = "failed"
                    function(at)
                    tried[function] = "passed"
                self.assertEqual(tried[function], "passed")


if __name__ == "__main__":
    unittest.main()
