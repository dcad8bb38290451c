"""The lines of a report by somebody who used memseal for the first time, each with what tries it. A row gets a Bed."""
import json
import os
import re
import subprocess
import time

from harness import Deployment

PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")
NOWHERE = "http://127.0.0.1:1"  # no service may listen there
# Texts of a library or of the language itself.
FOREIGN = re.compile(r"basic_|std::|what\(\)|terminate called|filesystem error|boost|exception", re.I)
ROWS = {}


def row(*names):
    """`names`: the lines that a function tries, as "D1 what happened then"."""
    def add(function):
        for name in names:
            key = name.split()[0]
            assert key not in ROWS, key
            ROWS[key] = (name, function)
        return function
    return add


class Bed:
    """What the rows use. Everything else is the test's."""

    def __init__(self, test):
        self.test = test

    def __getattr__(self, name):
        return getattr(self.test, name)

    def run(self, *words, **more):
        done, code = self.test.run_(*words, **more)
        self.test.assertEqual(done.returncode, code, done.stderr)
        self.test.assertIsNone(FOREIGN.search(done.stderr), done.stderr)
        return done

    def says(self, words, code, sentence, **more):
        self.test.assertIn(sentence, self.run(*words, code=code, **more).stderr)

    def ask(self, *words):
        return self.run("query", "--url", self.url, *words)

    def remember(self, conversation, turn, *more):
        return self.run("publish", "chat", "--user", "alice", "--conversation", conversation, turn, *more)

    def shell(self, line):
        done = subprocess.run(["bash", "-c", line], env=self.env, cwd=self.folder, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.test.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def request(self, method, path, body=None, headers=None):
        dev = Deployment.__new__(Deployment)
        dev.port = int(self.url.rsplit(":", 1)[1])
        answer, data = Deployment.request(dev, method, path, body, self.ready["token"], headers)
        return answer.status, json.loads(data) if data else {}

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def get(self, path):
        return self.request("GET", path)

    def consume(self, topic, form):
        """All records of a topic, a line each."""
        return subprocess.run(["kcat", "-b", self.ready["kafka"], "-C", "-q", "-e", "-t", topic, "-o", "beginning", "-f",
                               form + "\n"], check=True, timeout=30, text=True, stdout=subprocess.PIPE).stdout.splitlines()

    def until(self, look):
        deadline = time.time() + 60
        while not (seen := look()):
            self.test.assertLess(time.time(), deadline)
            time.sleep(0.05)
        return seen
