"""The published contracts against the running service: the schemas of events, the OpenAPI document, the table of
metrics."""
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from clients import small_reranker
from harness import EndToEnd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CLIENTS = ROOT / ".deps" / "clients" / "bin"
EXAMPLES = HERE / "clients" / "event_examples.py"
sys.path.insert(0, str(ROOT / "tools"))
import metrics_table  # noqa: E402


def run_examples(word, given=None):
    done = subprocess.run([CLIENTS / "python", EXAMPLES, word], input=given, stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True)
    return json.loads(done.stdout)


class Contracts(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.settings = {"rerank__model": small_reranker.write_for(cls)}  # without one, what ranks answers 503
        super().setUpClass()

    def produce(self, topic, examples):
        """All to one partition, so that the offset of an event is its place in the list."""
        lines = "".join(f"{one['key']}\t{one['event']}\n" for one in examples)
        subprocess.run(["kcat", "-b", self.at.broker, "-P", "-t", topic, "-p", "0", "-K", "\t",
                        "-H", "content-type=application/cloudevents+json"],
                       input=lines, text=True, check=True, timeout=60)

    def outcomes(self, count):
        """The status events, once there are as many."""
        topic = self.at.env["MEMSEAL__KAFKA__STATUS_TOPIC"]
        seen = []

        def there():
            seen[:] = [json.loads(line) for line in self.at.kcat_raw(topic).splitlines()]
            return len(seen) >= count
        self.at.wait_for(there, 120, f"{count} status events")
        return seen

    def test_events_are_accepted_as_their_schemas_say(self):
        examples = run_examples("examples")
        by_topic = {self.at.upload_topic: [one for one in examples if one["topic"] == "upload"],
                    self.at.chat_topic: [one for one in examples if one["topic"] == "chat"]}
        for topic, ones in by_topic.items():
            self.assertGreater(sum(one["valid"] for one in ones), 50)
            self.produce(topic, ones)
        status = self.outcomes(len(examples))
        letters = []
        for topic, ones in by_topic.items():
            headers = self.at.kcat_headers(topic + ".dlq", len(ones), timeout=60)
            letters += headers
            # The form of a reference to a file is right, and there is no such file.
            refused = {int(letter["memseal-original-offset"]): letter for letter in headers
                       if letter["memseal-error-code"] != "not_found"}
            wrong = [f"{one['name']}: {'refused: ' + refused[offset]['memseal-error-message'] if one['valid'] else 'accepted'}"
                     for offset, one in enumerate(ones) if one["valid"] == (offset in refused)]
            self.assertEqual(wrong, [], f"{len(wrong)} of {len(ones)} events of {topic}")
        written = json.dumps({"status": status, "letters": letters})
        self.assertEqual(run_examples("check", written), [])

    def check_document(self, port, token, *more):
        """Bounded in examples and in time, with one seed, so that two runs ask the same."""
        url = f"http://127.0.0.1:{port}"
        done = subprocess.run(
            [CLIENTS / "python", CLIENTS / "schemathesis", "--config-file", HERE / "clients" / "schemathesis.toml",
             "run", f"http://127.0.0.1:{self.at.port}/openapi.json", "--url", url, "-H", f"Authorization: Bearer {token}",
             "--phases", "examples,coverage,fuzzing", "--no-color", *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd=self.at.folder,
            env=dict(os.environ, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"))
        self.assertEqual(done.returncode, 0, done.stdout[-8000:])

    def test_the_openapi_document_holds(self):
        admin = "^/(metrics|flags|guard)"
        self.check_document(self.at.port, self.at.token("alice"), "--exclude-path-regex", admin,
                            "--max-examples", "15", "--max-time", "36")
        # Of the other listener. Afterwards, because it switches reranking and readiness off and on.
        self.check_document(self.at.admin_port, self.at.admin_token, "--include-path-regex", admin,
                            "--max-examples", "3", "--max-time", "6")

    def test_metrics_are_those_of_the_table(self):
        token = self.at.token("alice")
        self.at.request("POST", "/api/v1/memory/query", {"query": "x"}, token)
        _, data = self.at.request("GET", "/metrics", admin=True)
        known = metrics_table.all_metrics()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", data.decode(), re.M))
        helps = dict(re.findall(r"^# HELP (\S+) (.*)$", data.decode(), re.M))
        self.assertGreater(len(kinds), 50)
        for name, kind in kinds.items():
            self.assertEqual((kind, helps[name]), (known[name][0], known[name][2]), name)
        for name, labels in re.findall(r"^(memseal_\w+?)(?:_bucket|_sum|_count)?\{(.*)\} ", data.decode(), re.M):
            if name not in known:  # its name ends in what a histogram adds
                continue
            self.assertEqual({label for label in re.findall(r'(\w+)="', labels)} - {"le"}, set(known[name][1]), name)


if __name__ == "__main__":
    unittest.main()
