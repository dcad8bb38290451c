"""What a person mistypes: each line ends with the documented exit status and a sentence that names the mistake,
and nothing of the language that the program is written in reaches the person. One table, so that a new way to
mistype is a new line."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import EndToEnd, missing

PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("MEMSEAL_", "MEMORY_"))}
# Texts of a library or of the language itself.
FOREIGN = re.compile(r"basic_|std::|what\(\)|terminate called|filesystem error|boost|_ERROR\b|exception", re.I)
NOWHERE = "http://127.0.0.1:1"  # no service may listen there
REFUSED = f"memseal: {NOWHERE}: connecting: Connection refused; is `memseal serve` running there?"

# Files that a person may take for text.
FILES = tempfile.TemporaryDirectory(prefix="memseal-wrong-usage-")
PDF, EMPTY, LONG, HUGE, PAGE = (str(Path(FILES.name) / name) for name in ("paper.pdf", "empty.txt", "long.txt", "huge", "page"))
Path(PDF).write_bytes(b"%PDF-1.4\n1 0 obj\n")
Path(EMPTY).touch()
Path(LONG).write_text("The kiln is lit at dawn. " * 210_000)
Path(PAGE).write_text("<!doctype html><title>Kilns</title>")
with open(HUGE, "wb") as sparse:
    sparse.truncate(1 << 40)

# The words, the exit status, what the person reads.
LINES = [
    (["qurey", "x"], 2, 'memseal has no command "qurey"; did you mean query?'),
    (["keys", "int"], 2, 'did you mean init?'),
    (["query", "--topk", "3", "x"], 2, "did you mean --top-k?"),
    (["query", "--token-file", "/nope", "--url", NOWHERE, "x"], 2,
     "cannot read the token from /nope: No such file or directory"),
    (["query", "--token-file", "/", "--url", NOWHERE, "x"], 2, "cannot read the token from /: "),
    (["query", "--url", "http://127.0.0.1:99999", "--token", "T", "x"], 2, "--url has an invalid port"),
    (["query", "--url", "ftp://127.0.0.1", "--token", "T", "x"], 2, "--url"),
    (["query", "--url", NOWHERE, "--token", "T", "who", "is", "it"], 3, REFUSED),
    (["query", "--url", f"{NOWHERE}/", "--token", "T", "x"], 3, REFUSED),
    (["query", "--url", "https://127.0.0.1:1", "--token", "T", "x"], 3, "https://127.0.0.1:1: connecting: Connection refused"),
    (["query", "--url", NOWHERE, "--token", "T", " "], 2, "the question is empty"),
    (["health", "--url", f"{NOWHERE}/"], 3, REFUSED),
    (["serve", "-c", "/"], 2, "cannot read /: it is a directory, not a file"),
    (["serve", "-c", "/nope.yaml"], 2, "/nope.yaml: No such file or directory"),
    (["serve", "--set", "http.listen=localhost:17460"], 2,
     'http.listen must have an IP address, not the name "localhost" (flag)'),
    (["config", "check", "--set", "http.listen=foo"], 2, 'http.listen must be address:port, not "foo" (flag)'),
    (["config", "check", "--set", "http.listen=127.0.0.1:99999"], 2, "http.listen must be address:port"),
    (["config", "check", "--set", "htp.listen=127.0.0.1:1"], 2, 'did you mean "http.listen"?'),
    (["config", "init", "/proc/nope/memseal.yaml"], 1, "cannot write /proc/nope/memseal.yaml: No such file or directory"),
    (["migrate", "up"], 2, "postgres.migrate_dsn is not set"),
    (["publish", "upload", "--user", "a", "/nope"], 1, "cannot read /nope: No such file or directory"),
    (["publish", "upload", "--user", "a", "-"], 1, "standard input has no name: give the document one with --doc-id"),
    (["publish", "upload", "--user", "a", PDF], 1, "is a PDF, not text: `memseal upload --index` keeps the file"),
    (["publish", "upload", "--user", "a", EMPTY], 1, "is empty: there is nothing to remember"),
    (["publish", "upload", "--user", "a", LONG], 2, "has to go to the service first: no token is given: use --token-file FILE"),
    (["publish", "upload", "--user", "a", "--token", "e30.eyJzdWIiOiJiIn0.x", LONG], 2, "the token is not one of the user"),
    (["publish", "upload", "--user", "a", HUGE], 1, "bytes, and a document has at most 8388608 bytes of text: split the file"),
    (["publish", "upload", "--user", "a", PAGE], 1, "is a page of HTML, not text: `memseal upload --index` keeps the file"),
    (["publish", "chat", "--user", "a", "--conversation", "c", "user:"], 2, "turn 1 (user) says nothing"),
    (["publish", "chat", "--user", "a", "--conversation", "c", "hello"], 2, "a turn is role:content"),
    (["models", "verify", "/nope/"], 2, "/nope"),
    (["token", "mint"], 2, "--user"),
    (["token", "mint", "--user", "a", "--lifetime-s", "soon"], 2, "--lifetime-s"),
]


def run(words, **env):
    return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, env={**ENVIRONMENT, **env})


@unittest.skipIf(missing(), missing())
class WithoutAService(unittest.TestCase):
    def test_each_line_names_the_mistake(self):
        for words, status, says in LINES:
            with self.subTest(" ".join(words)):
                done = run(words)
                self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
                self.assertIn(says, done.stderr)
                self.assertIsNone(FOREIGN.search(done.stderr), done.stderr)
                self.assertTrue(done.stderr.startswith("memseal: "), done.stderr)

    def test_each_line_in_json_too(self):
        for words, status, says in LINES:
            with self.subTest(" ".join(words)):
                done = run(["--json", *words])
                self.assertEqual(done.returncode, status, done.stderr)
                error = json.loads(done.stdout)["error"]
                self.assertEqual(error["exit_code"], status)
                self.assertIn(says.removeprefix("memseal: "), error["message"])

    def test_who_types_nothing_or_asks_for_help_reads_help(self):
        bare = run([])
        self.assertEqual(bare.returncode, 2)
        self.assertIn("Usage: memseal [OPTION...] COMMAND", bare.stdout + bare.stderr)
        for words in (["help", "query"], ["query", "--help"]):
            done = run(words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("Usage: memseal query [OPTION...] TEXT...", done.stdout)

    def test_a_variable_with_one_underscore_is_named(self):
        done = run(["config", "check"], MEMSEAL_LOG_LEVEL="debug")
        self.assertIn("MEMSEAL_LOG_LEVEL is not read; did you mean MEMSEAL__LOG__LEVEL", done.stderr)

    def test_a_relative_keyring_is_the_one_beside_its_settings(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(["keys", "init", f"{folder}/keyring"]).returncode, 0)
            Path(folder, "memseal.yaml").write_text("seal:\n  keyring_file: keyring\n")
            done = subprocess.run([PROGRAM, "token", "mint", "--user", "a", "-c", f"{folder}/memseal.yaml"], cwd="/",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, env=ENVIRONMENT)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            again = run(["keys", "init", f"{folder}/keyring"])
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("keyring", again.stderr)


class WithAService(EndToEnd):
    settings = {"ratelimit__query_requests": 3, "ratelimit__window_s": 3600}

    def ask(self, token, *words):
        return run(["query", "--url", f"http://127.0.0.1:{self.at.port}/", *words], MEMSEAL_TOKEN=token)

    def test_the_answer_says_what_the_matter_is(self):
        token = self.at.token("alice")
        done = self.ask(token[:-2], "x")
        self.assertEqual(done.returncode, 5)
        self.assertIn("HTTP 401", done.stderr)
        token = self.at.token("bob")
        none = self.ask(token, "who is it")
        self.assertEqual(none.returncode, 0, none.stderr)
        self.assertRegex(none.stdout + none.stderr, r"\b0 results")
        self.at.wait_for(lambda: self.ask(token, "x").returncode != 0, 30, "the limit to be reached")
        done = self.ask(token, "x")
        self.assertIn("HTTP 429", done.stderr)
        self.assertRegex(done.stderr, r"\d+ ?(s|min|seconds|minutes)\b")  # when to try again


if __name__ == "__main__":
    unittest.main()
