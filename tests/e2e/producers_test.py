"""Who may write events: a matrix of writers (HTTP, the command line, a producer that signs by itself), policies
(signed, broker, open) and forgeries. The producer signs by the lines of docs/producers.md."""
import json
import re
import signal
import time
import unittest
import uuid
from pathlib import Path

from harness import STRUCTURED, Deployment, EndToEnd, psql, structured

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "quince marmalade"
HOUR_MS = 3_600_000


def documented_signature():
    """The function of docs/producers.md, as a reader would paste it."""
    code = re.search(r"^```python\n(import .*?)^```$", (ROOT / "docs/producers.md").read_text(), re.M | re.S).group(1)
    names = {}
    exec(compile(code, "docs/producers.md", "exec"), names)
    return names["signature"], names["load_pem_private_key"]


class Forger:
    """Writes events with kcat, signed or not, and forgets nothing of what it expects of each."""

    def __init__(self, at, key_file, key_id):
        self.at, self.key_id, self.expected = at, key_id, {}
        self.sign, load = documented_signature()
        self.key = load(key_file.read_bytes(), None)

    def write(self, expected, user="acme:ann", source="/crm", event_id=None, kind="upload", signed=True, age_ms=0,
              key=None, key_id=None, sent=(), revision=None, sign=()):
        """Publishes one event. `sent` changes the record after it was signed, `sign` what is signed."""
        event_id = event_id or str(uuid.uuid4())
        doc = {"doc_id": event_id, "file": {"mime_type": "text/plain"},
               "content": {"encoding": "utf8", "data": f"Ann likes {CANARY}, says {event_id}."}}
        if revision is not None:
            doc["revision"] = revision
        record = {"topic": self.at.upload_topic, "user": user, "event_id": event_id, "source": source,
                  "value": structured(user, kind, doc, event_id, source)}
        headers = list(STRUCTURED)
        if signed:
            made = {**record, **dict(sign)}
            headers.append(("memseal-signature", self.sign(
                key or self.key, key_id or self.key_id, made["topic"], made["user"], made["event_id"], made["source"],
                made["value"].encode(), STRUCTURED, int(time.time() * 1000) - age_ms)))
        record.update(dict(sent))
        self.at.kcat_produce(record["topic"], record["user"], record["value"], headers)
        self.expected[event_id] = expected
        return event_id

    def forge(self, policy_is_signed):
        """Every forgery; without the policy `signed` each is believed, but for the revision."""
        denied, invalid = ("producer_denied", "signature_invalid") if policy_is_signed else (None, None)
        self.write(None)
        self.write(denied, user="globex:eve")
        self.write(invalid, sign={"topic": self.at.chat_topic})
        self.write(invalid, sign={"user": "acme:bob"})
        self.write(invalid, sign={"event_id": "e-1"})
        self.write(invalid, sign={"source": "/erp"})
        self.write(invalid, sign={"value": "{}"})
        self.write(invalid, age_ms=HOUR_MS)
        self.write(invalid, age_ms=-HOUR_MS)
        self.write("bad_event", revision=(1 << 63) - 1)
        self.write(denied, source="/erp")
        self.write(invalid, key_id="nobody-knows")
        self.write(invalid, signed=False)
        return self.write(denied, source="/memseal/http", event_id="squat-" + uuid.uuid4().hex)

    def ends(self):
        """The error code of each event that has ended; None for one that is stored."""
        ends = {}
        for line in self.at.kcat_raw(self.at.env["MEMSEAL__KAFKA__STATUS_TOPIC"]).splitlines():
            data = json.loads(line)["data"]
            if data["event_id"] in self.expected:
                ends.setdefault(data["event_id"], data.get("error_code"))
        return ends

    def settle(self):
        self.at.wait_for(lambda: len(self.ends()) == len(self.expected), what="every event's end")
        return self.ends()


class Producers(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.at = at = Deployment(kafka__producers="signed")
        cls.registry = at.folder / "producers.json"
        at.env["MEMSEAL__KAFKA__PRODUCERS_FILE"] = str(cls.registry)
        cls.key_file = at.folder / "crm.key"
        cls.key_id = at.cli("producers", "keygen", cls.key_file).stdout.strip()
        cls.add("crm", cls.key_file)
        at.start()

    @classmethod
    def add(cls, name, key_file, *more):
        return cls.at.cli("producers", "add", name, "--key-file", key_file, "--tenant", "acme:*", *more)

    def restart(self, policy):
        self.assertEqual(self.at.stop(), 0)
        self.at.env["MEMSEAL__KAFKA__PRODUCERS"] = policy
        self.at.start()

    def publish(self, user, *more, env=None):
        done = self.at.cli("publish", "upload", "--json", "--user", user, *more, "-", check=False, env=env,
                           stdin=f"{CANARY} by {user}")
        return done.returncode, json.loads(done.stdout.splitlines()[0]).get("code")

    def index(self, user, key):
        answer, data = self.at.request("POST", "/api/v1/memory/index?wait=30", {"text": f"{CANARY} of {user}"},
                                       self.at.token(user), {"Idempotency-Key": key, "Prefer": "wait=30"})
        return answer.status, json.loads(data)

    def tenants(self):
        return int(psql(self.at.owner, "SELECT count(*) FROM app.tenants")[0][0])

    def test_1_signed(self):
        at = self.at
        forger = Forger(at, self.key_file, self.key_id)
        squatted = forger.forge(policy_is_signed=True)
        self.assertEqual(forger.settle(), forger.expected)
        self.assertEqual(self.tenants(), 1, "no refused event made a tenant")
        letters = at.kcat_raw(at.upload_topic + ".dlq")
        self.assertNotIn(CANARY.encode(), letters)
        kinds = [letter for letter in at.kcat_headers(at.upload_topic + ".dlq", 13)
                 if letter["memseal-error-code"] != "bad_event"]
        self.assertEqual({letter["memseal-sealed-for"] for letter in kinds}, {"nobody"})
        self.assertEqual(len(kinds), 12)
        counted = {name: value for name, value in at.metrics().items() if "signatures_total" in name and value > 0}
        self.assertEqual(sum(counted.values()), 14)

        status, body = self.index("acme:ann", squatted)
        self.assertEqual((status, body["operation"]["state"]), (200, "succeeded"), body)

        no_keyring = {"MEMSEAL__SEAL__KEYRING_FILE": ""}
        signing = ["--doc-id", "d", "--producer", "crm", "--producer-key-file", self.key_file]
        self.assertEqual(self.publish("acme:ann", *signing, env=no_keyring), (0, None))
        self.assertEqual(self.publish("globex:eve", *signing), (1, "producer_denied"))
        self.assertEqual(self.publish("globex:eve", "--doc-id", "d", env=no_keyring), (1, "signature_invalid"))
        self.assertEqual(self.publish("globex:eve", "--doc-id", "d"), (0, None), "whoever has the keyring may")

        self.replays(forger)
        self.revokes(forger)

    def replays(self, forger):
        """A replay vouches for the age of an event; for its producer only where an operator says so."""
        at = self.at
        forger.expected = {}
        unsigned, old = forger.write("signature_invalid", signed=False), forger.write("signature_invalid", age_ms=HOUR_MS)
        forger.settle()
        stored = at.succeeded()
        ids = {}
        for line in at.cli("dlq", "list", "--json").stdout.splitlines():
            letter = json.loads(line)
            shown = at.cli("dlq", "show", "--reveal", "--json", letter["id"]).stdout
            ids.update({event: letter["id"] for event in (unsigned, old) if event in shown})
        at.cli("dlq", "replay", "--id", ids[old])
        at.wait_for(lambda: at.succeeded() == stored + 1, what="the old event's replay")
        before = at.metrics()['memseal_ingest_signatures_total{verdict="absent"}']
        at.cli("dlq", "replay", "--id", ids[unsigned])
        at.wait_for(lambda: at.metrics()['memseal_ingest_signatures_total{verdict="absent"}'] == before + 1)
        letters = [json.loads(line)["id"] for line in at.cli("dlq", "list", "--json").stdout.splitlines()]
        newest = letters[-1]
        at.cli("dlq", "replay", "--vouch", "--id", newest)
        at.wait_for(lambda: at.succeeded() == stored + 2, what="the event that was vouched for")

    def revokes(self, forger):
        at = self.at
        mac_file = at.folder / "erp.key"
        at.cli("producers", "keygen", mac_file, "--algorithm", "hmac-sha256")
        self.add("erp", mac_file)
        self.assertEqual(self.registry.stat().st_mode & 0o777, 0o600)
        erp = ["--doc-id", "d", "--producer", "erp", "--producer-key-file", mac_file]
        loaded = at.server_log().count("producers_loaded")
        at.server.send_signal(signal.SIGHUP)
        at.wait_for(lambda: at.server_log().count("producers_loaded") > loaded, what="the file's reload")
        self.assertEqual(self.publish("acme:ann", *erp), (0, None))
        loaded = at.server_log().count("producers_loaded")
        self.assertIn("revoked 1 key of crm", at.cli("producers", "revoke", "crm").stdout)
        at.wait_for(lambda: at.server_log().count("producers_loaded") > loaded, 10, "a reload without a signal")
        forger.expected = {}
        forger.write("signature_invalid")
        self.assertEqual(forger.settle(), forger.expected)
        listed = [json.loads(line) for line in at.cli("producers", "list", "--json").stdout.splitlines()]
        self.assertEqual({one["producer"]: one["revoked"] for one in listed}, {"crm": True, "erp": False})
        self.assertEqual(at.cli("producers", "revoke", "nobody", check=False).returncode, 4)

    def test_2_the_broker_decides(self):
        for policy in ("broker", "open"):
            self.restart(policy)
            if policy == "broker":
                self.audited()
            forger = Forger(self.at, self.key_file, self.key_id)
            squatted = forger.forge(policy_is_signed=False)
            self.assertEqual(forger.settle(), forger.expected, policy)
            self.assertEqual(self.publish("globex:eve", "--doc-id", "d"), (0, None), policy)
            status, _ = self.index("acme:ann", squatted)
            self.assertEqual(status, 422, f"{policy}: whoever may write may take the name of an event")
            status, _ = self.index("acme:bob", "mine-" + policy)
            self.assertEqual(status, 200, policy)
        self.assertIn("producers_open", self.at.server_log())

    def audited(self):
        """What the audit log says of the producers, once a process that judged them has ended."""
        shown = [json.loads(line) for line in self.at.cli("--json", "audit", "show").stdout.splitlines()]
        counts = {(one["action"], one["actor"]): one["count"] for one in shown if one["action"].startswith("producer.")}
        self.assertGreater(counts["producer.accepted", "producer:crm"], 0)
        self.assertGreater(counts["producer.refused/tenant", "producer:crm"], 0)
        self.assertGreater(counts["producer.refused/absent", ""], 0)
        self.assertGreater(counts["producer.refused/not_genuine", ""], 0)
        self.assertEqual([one["outcome"] for one in shown if one["action"] == "operator.producers_add/crm"], ["begun", "done"])
        self.assertIn("operator.producers_revoke/crm", {one["action"] for one in shown})

    def test_3_what_cannot_be(self):
        def refused(*words):
            done = self.at.cli(*words, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            return done.stderr
        open_to_all = ["--set", "kafka.producers=open"]
        self.assertIn("http.listen", refused("serve", *open_to_all, "--set", "http.listen=0.0.0.0:0"))
        self.assertIn("kafka.brokers", refused("config", "check", *open_to_all, "--set", "kafka.brokers=kafka:9092"))
        self.assertIn("no longer", refused("serve", "--set", "kafka.require_authtoken=true"))
        signed = ["--set", "kafka.producers=signed"]
        self.registry.chmod(0o666)
        self.assertIn("chmod go-w", refused("serve", *signed))
        self.registry.chmod(0o600)
        self.assertIn("chmod 600", self.publish_refused(0o640))
        found = {one["name"]: one for one in json.loads(self.at.cli("doctor", "--json", *signed, check=False).stdout)
                 ["checks"]}
        self.assertIn("2 producers", found["producers"]["detail"])
        self.assertNotIn("kafka clock", found, "memseal made the topics with the broker's time")

    def publish_refused(self, mode):
        self.key_file.chmod(mode)
        done = self.at.cli("publish", "upload", "--user", "acme:ann", "--doc-id", "d", "--producer", "crm",
                           "--producer-key-file", self.key_file, "-", stdin="x", check=False)
        self.assertEqual(done.returncode, 2)
        return done.stderr


if __name__ == "__main__":
    unittest.main()
