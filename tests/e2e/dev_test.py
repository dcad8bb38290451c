"""`memseal dev` for scripts: one line of JSON, a file to source, Kafka at a port that stays the same."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@unittest.skipIf(not PROGRAM, "set MEMSEAL_PROGRAM (scripts/test e2e does)")
class Dev(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="memseal-dev-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.folder.chmod(0o755)  # PostgreSQL does not run as root, and its folder may lie below
        cls.env_file, cls.kafka = cls.folder / "dev.env", free_port()
        cls.env = {name: value for name, value in os.environ.items() if not name.startswith(("MEMSEAL_", "MEMORY_"))}
        cls.log = open(cls.folder / "dev.log", "w+")
        cls.addClassCleanup(cls.log.close)
        cls.dev = subprocess.Popen(
            [PROGRAM, "dev", "--json", "--kafka-port", str(cls.kafka), "--env-file", str(cls.env_file), "--user", "bella",
             "--set", "http.listen=127.0.0.1:0", "--set", "http.admin_listen=127.0.0.1:0", "--set",
             "http.idle_timeout_ms=1000"], env=cls.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=cls.log,
            text=True)
        cls.addClassCleanup(cls.end)
        line = cls.dev.stdout.readline()
        if not line:
            raise RuntimeError("dev did not start: " + (cls.folder / "dev.log").read_text())
        cls.ready = json.loads(line)

    @classmethod
    def end(cls):
        """What is left on stdout once it has ended."""
        if cls.dev.poll() is None:
            cls.dev.send_signal(signal.SIGTERM)
        left = cls.dev.stdout.read() if not cls.dev.stdout.closed else ""
        cls.dev.stdout.close()
        return left, cls.dev.wait(30)

    def run_in(self, env, *words):
        done = subprocess.run([self.ready["program"], "--json", *words], env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(one) for one in done.stdout.splitlines()]

    def test_the_line_for_scripts_says_where_everything_is(self):
        self.assertEqual(self.ready["kafka"], f"127.0.0.1:{self.kafka}")
        self.assertEqual(self.ready["user"], "bella")
        stored, = self.run_in(self.ready["env"], "publish", "chat", "--user", "bella", "--conversation", "c1",
                              "user:My kiln stands in the shed.")
        self.assertEqual(stored["state"], "stored")
        found = self.run_in(self.ready["env"], "query", "where is the kiln?")
        self.assertIn("My kiln stands in the shed.", [one.get("text") for one in found])

    def test_a_text_that_no_event_holds_is_one_document_here_too(self):
        (self.folder / "log.txt").write_text("The oboe is out of tune.\n" + ("pinguin" * 500 + "\n") * 330)
        for text, chunks in ((None, range(10, 100)), ("Short now.", range(1, 2))):
            if text:
                (self.folder / "log.txt").write_text(text)
            stored, = self.run_in(self.ready["env"], "publish", "upload", "--user", "bella", str(self.folder / "log.txt"))
            self.assertEqual(stored["state"], "stored")
            self.assertIn(stored["chunks"], chunks)
        self.assertEqual(self.run_in(self.ready["env"], "files", "list"), [])

    def test_who_stops_the_waiting_is_told_what_was_sent(self):
        nobodys = self.ready["topics"]["upload"] + ".dlq"  # no service consumes it
        (self.folder / "note.md").write_text("The kiln is cold.")
        waiting = subprocess.Popen([PROGRAM, "publish", "upload", "--user", "bella", "--set", f"kafka.upload_topic={nobodys}",
                                    self.folder / "note.md"], env={**self.env, **self.ready["env"]}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   # Tests in the background of a script inherit that SIGINT is ignored.
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        subprocess.run(["kcat", "-b", self.ready["kafka"], "-C", "-q", "-t", nobodys, "-o", "beginning", "-c", "1"], check=True,
                       timeout=60, stdout=subprocess.DEVNULL)
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.communicate()[1], "memseal: 1 event is published, but not known to be stored yet: the wait "
                                                   "was interrupted\n")
        self.assertEqual(waiting.returncode, 3)

    def test_the_file_says_the_same_and_is_its_owners(self):
        exports = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", self.env_file.read_text(), re.M))
        self.assertEqual(exports, self.ready["env"])
        self.assertEqual(self.env_file.stat().st_mode & 0o777, 0o600)

    def test_producers_find_kafka_at_the_port_that_was_asked_for(self):
        seen = subprocess.run(["kcat", "-b", f"127.0.0.1:{self.kafka}", "-L", "-J"], stdout=subprocess.PIPE, timeout=30,
                              check=True)
        topics = {topic["topic"] for topic in json.loads(seen.stdout)["topics"]}
        self.assertLessEqual(set(self.ready["topics"].values()) - {"memory.status.v1"}, topics)
        done = subprocess.run([PROGRAM, "dev", "--kafka-port", str(self.kafka), "--set", "http.listen=127.0.0.1:0", "--set",
                               "http.admin_listen=127.0.0.1:0"], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--kafka-port", done.stderr)

    def test_an_idle_connection_lives_as_long_as_is_set(self):
        host, port = self.ready["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as link:
            for _ in range(2):  # it is kept after an answer
                link.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(link.recv(4096).startswith(b"HTTP/1.1 200"))
            began = time.monotonic()
            self.assertEqual(link.recv(4096), b"", "closed by the service")
            self.assertGreater(time.monotonic() - began, 0.5)

    def test_z_nothing_is_left_when_it_ends(self):
        left, code = self.end()
        self.assertEqual((left, code), ("", 0))
        self.assertFalse(self.env_file.exists())
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", self.kafka))


if __name__ == "__main__":
    unittest.main()
