"""What comes over HTTP lies sealed in Kafka, is read by every worker, and comes back from the dead letters."""
import json
import subprocess
import unittest

from harness import EndToEnd, psql

CANARY = "canary-of-the-harbour"


class SealedEvents(EndToEnd):
    settings = {"kafka__producers": "signed", "kafka__enabled": "false"}

    def worker(self):
        """A process that reads the topics; the other one answers HTTP alone."""
        return self.another(MEMSEAL__KAFKA__ENABLED="true")

    def records(self, topic, shape):
        return subprocess.run(["kcat", "-b", self.at.broker, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", shape],
                              stdout=subprocess.PIPE, timeout=20, check=True).stdout

    def send(self, method, path, body=None, status=202, user=CANARY + "-user"):
        answer, data = self.at.request(method, path, body, self.at.token(user))
        self.assertEqual(answer.status, status, data)
        return json.loads(data)["operation"]["id"]

    def state(self, user, operation):
        _, data = self.at.request("GET", f"/api/v1/operations/{operation}", None, self.at.token(user))
        return json.loads(data)["operation"]["state"]

    def test_sealed_opened_lost_and_replayed(self):
        user = CANARY + "-user"
        document = {"doc_id": CANARY + "/doc", "name": CANARY + ".md", "text": f"The {CANARY} opens at nine.",
                    "tags": [CANARY], "attributes": {"a": CANARY}}
        first = self.send("POST", "/api/v1/memory/index", document)
        turns = self.send("POST", f"/api/v1/memory/conversations/{CANARY}/turns", {"turns": [{"role": "user", "content": CANARY}]})
        for topic in (self.at.upload_topic, self.at.chat_topic):
            everything = self.records(topic, "%k %h %s\n")
            self.assertNotIn(CANARY.encode(), everything)
            self.assertIn(b"application/vnd.memseal.sealed-event", everything)
        user_hash = json.loads(self.at.cli("--json", "tenant", "show", user).stdout)["user_hash"]
        self.assertEqual(self.records(self.at.upload_topic, "%k\n").decode().split(), [user_hash])

        self.send("POST", "/api/v1/memory/index", {"text": "Soon gone.", "doc_id": "gone"}, user="bob")
        # A worker that finds no key makes dead letters that show nothing, and once the keys are put back they are replayed.
        # (A restore from an older backup has no such keys to put back: docs/backup.md.)
        psql(self.at.owner, "CREATE TABLE public.kept AS SELECT * FROM app.tenant_keys")
        psql(self.at.owner, "DELETE FROM app.tenant_keys")
        worker = self.worker()
        letters = lambda: [json.loads(line) for line in self.at.cli("--json", "dlq", "list").stdout.splitlines()]
        self.at.wait_for(lambda: len(letters()) == 3, what="three dead letters")
        self.assertEqual({letter["code"] for letter in letters()}, {"open_failed"})
        self.assertEqual(worker.stop(), 0)
        psql(self.at.owner, "INSERT INTO app.tenant_keys SELECT * FROM public.kept")
        shown = self.at.cli("dlq", "show", letters()[0]["id"], "--reveal").stdout
        self.assertIn(CANARY, shown)
        # The letter of one who was erased meanwhile fails alone, and is dropped.
        self.at.cli("tenant", "erase", "bob", "--force")
        worker = self.worker()
        replayed = self.at.cli("dlq", "replay", "--code", "open_failed", check=False)
        self.assertEqual((replayed.returncode != 0, "is erased" in replayed.stderr), (True, True), replayed.stderr)
        gone, = letters()
        self.at.cli("dlq", "drop", "--id", gone["id"])
        for operation in (first, turns):
            self.at.wait_for(lambda: self.state(user, operation) == "succeeded", what=f"operation {operation}")
        for topic in (self.at.upload_topic, self.at.chat_topic):
            for each in (topic, topic + ".dlq"):
                self.assertNotIn(CANARY.encode(), self.records(each, "%k %h %s\n"), each)
        self.assertIn(CANARY, self.at.results(self.at.token(user), "When does it open?")[0]["text"])

        # A copy under another user's key, or in another topic, opens nowhere and changes nothing.
        value = self.at.folder / "sealed"
        value.write_bytes(subprocess.run(["kcat", "-b", self.at.broker, "-C", "-t", self.at.upload_topic, "-o", "0", "-c", "1", "-q", "-f", "%s"],
                                         stdout=subprocess.PIPE, timeout=20, check=True).stdout)
        headers = ["-H", "content-type=application/vnd.memseal.sealed-event", "-H", f"memseal-event-id={first}"]
        bob = json.loads(self.at.cli("--json", "tenant", "show", user).stdout)["user_hash"][::-1]
        for topic, key in ((self.at.upload_topic, bob), (self.at.chat_topic, user_hash), (self.at.upload_topic, "no hash")):
            subprocess.run(["kcat", "-b", self.at.broker, "-P", "-t", topic, "-k", key, *headers, str(value)], check=True, timeout=20)
        self.at.wait_for(lambda: len(letters()) == 3, what="three more dead letters")
        self.assertEqual({letter["code"] for letter in letters()}, {"open_failed"})
        self.assertEqual(psql(self.at.owner, "SELECT count(*) FROM app.tenants"), [["2"]])

        # The event of a person who is erased meanwhile is read by nobody.
        self.assertEqual(worker.stop(), 0)
        self.send("POST", "/api/v1/memory/index", {"text": "Later.", "doc_id": "later"})
        self.at.cli("tenant", "erase", user, "--force")
        worker = self.worker()
        self.at.wait_for(lambda: any(value > 0 for name, value in worker.metrics().items()
                                     if name.startswith("memseal_ingest_events_total") and 'outcome="erased"' in name), what="the erased event")


if __name__ == "__main__":
    unittest.main()
