"""What an operator may hand to a service, and what no other user of the machine sees of it: secrets in files and on
command lines, and a broker that asks who speaks."""
import json
import os
import subprocess
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import Deployment, missing

from instance import Instance  # noqa: E402  (the harness knows where it lies)

NEEDED = "MEMSEAL_TEST_KAFKA_SASL"


class CommandLines(threading.Thread):
    """Reads the command lines of all processes, over and over, and keeps each that holds one of `secrets`."""

    def __init__(self, secrets):
        super().__init__(daemon=True)
        self.secrets, self.found, self.seen, self.stopped = secrets, set(), set(), threading.Event()

    def run(self):
        while not self.stopped.is_set():
            for process in Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                try:
                    words = (process / "cmdline").read_bytes()
                except OSError:  # it ended meanwhile
                    continue
                self.seen.add(words.split(b"\0")[0].rpartition(b"/")[2])
                if any(secret in words for secret in self.secrets):
                    self.found.add(words)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


@unittest.skipIf(missing() or not os.environ.get(NEEDED), missing() or f"set {NEEDED} (scripts/test e2e does)")
class Operators(unittest.TestCase):
    """One deployment whose service is a user of the broker like any other, and may do there what a service does."""

    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(os.environ["MEMSEAL_STACK_DIR"])
        cls.kafka = cls.instance.services["kafka"]
        cls.properties = cls.kafka.sasl_properties()
        secrets = [cls.instance.password(name).encode() for name in ("password", "kafka-password")]
        with CommandLines(secrets + [b"e2e-password"]) as cls.lines:
            cls.at = Deployment(kafka__producers="signed", kafka__brokers=os.environ[NEEDED],
                                kafka__properties=cls.listed(cls.properties))
            cls.addClassCleanup(cls.at.close)
            # Without ACLs it may not even make its topics, and says so.
            cls.denied = cls.at.cli("serve", "--ports-file", cls.at.folder / "ports", check=False, timeout=60)
            cls.kafka.allow(cls.at.name, cls.at.name, [f"{cls.at.upload_topic}.dlq", f"{cls.at.chat_topic}.dlq"])
            cls.at.start()
            cls.token = cls.at.token("ada")

    @staticmethod
    def listed(properties):
        return ",".join(f"{name}={value}" for name, value in properties.items())

    def publish(self, properties, **env):
        """Writes an event for ada that nobody signed; returns how the command ended."""
        return self.at.cli("publish", "upload", "--user", "ada", "--doc-id", "d", "-", stdin="The harbour opens at noon.",
                           check=False, env={"MEMSEAL__KAFKA__PRODUCERS": "broker",
                                             "MEMSEAL__KAFKA__PROPERTIES": self.listed(properties), **env})

    def test_the_service_works_with_what_the_acls_allow(self):
        self.assertNotEqual(self.denied.returncode, 0)
        self.assertIn("cannot be created: Authorization failed", self.denied.stderr)
        answer, data = self.at.request("POST", "/api/v1/memory/index?wait=30",
                                       {"doc_id": "hours", "text": "The harbour opens at nine."}, self.token)
        self.assertEqual((answer.status, json.loads(data)["operation"]["state"]), (200, "succeeded"), data)
        self.assertIn("nine", self.at.results(self.token, "When does the harbour open?")[0]["text"])

    def test_dead_letters_are_deleted_where_they_lie(self):
        # Read, Write and the others of `memory.` do not let anybody delete.
        done = self.at.cli("--json", "dlq", "drop", "--every", "--purge", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_topic_of_another_prefix_is_another_s(self):
        done = self.at.cli("serve", "--ports-file", self.at.folder / "others", check=False, timeout=60,
                           env={"MEMSEAL__KAFKA__UPLOAD_TOPIC": "foreign." + self.at.upload_topic})
        self.assertNotEqual(done.returncode, 0)

    def test_foreign_producers_write_nothing(self):
        before = self.at.kcat_count(self.at.upload_topic)
        wrong = dict(self.properties, **{"sasl.password": "not-the-password"})
        nobody = dict(self.properties, **{"sasl.username": "nobody"})
        nameless = {"security.protocol": "plaintext"}
        # Who is a user of the broker may write where the ACLs say, and nowhere else.
        foreign = "foreign." + self.at.upload_topic
        with ThreadPoolExecutor() as pool:  # each waits until its event was not taken
            tries = [pool.submit(self.publish, properties) for properties in (wrong, nobody, nameless)]
            tries.append(pool.submit(self.publish, self.properties, MEMSEAL__KAFKA__UPLOAD_TOPIC=foreign))
        said = [one.result().stderr for one in tries]
        for one in said[:3]:
            self.assertIn("nothing was sent", one)
        self.assertIn("TOPIC_AUTHORIZATION_FAILED", said[3])
        self.assertEqual(self.at.kcat_count(self.at.upload_topic), before)
        listed = subprocess.run(["kcat", "-L", "-J", "-b", self.at.broker], stdout=subprocess.PIPE, timeout=30, check=True)
        self.assertNotIn(foreign, [one["topic"] for one in json.loads(listed.stdout)["topics"]])
        # A stolen password writes a record, and makes no event of it: nobody signed it.
        stolen = self.publish(self.properties)
        self.assertIn("the event carries no signature of a producer", stolen.stderr)
        self.assertEqual(self.at.kcat_count(self.at.upload_topic), before + 1)
        self.assertFalse([hit for hit in self.at.results(self.token, "When does the harbour open?") if "noon" in hit["text"]])

    def test_the_doctor_tells_a_broker_that_asks_nobody(self):
        def seen(**env):
            done = self.at.cli("--json", "doctor", check=False, env=env)
            return {one["name"]: one for one in json.loads(done.stdout)["checks"]}
        self.assertNotIn("kafka access", seen())
        elsewhere = seen(MEMSEAL__KAFKA__BROKERS="192.0.2.1:9092", MEMSEAL__KAFKA__PROPERTIES="")["kafka access"]
        self.assertFalse(elsewhere["ok"])
        self.assertIn("sasl", elsewhere["fix"])

    def test_no_secret_stands_on_a_command_line(self):
        self.assertEqual(self.lines.found, set())
        # The thread saw what it should have seen.
        for program in (b"memseal", b"psql"):
            self.assertIn(program, self.lines.seen)

    def test_serve_takes_no_secret_that_others_may_read(self):
        at, env = self.at, self.at.service_env()
        file = at.folder / "dsn"
        file.write_text(env.pop("MEMSEAL__POSTGRES__DSN"))

        def refused(mode, **more):
            file.chmod(mode)
            done = subprocess.run([at.program, "serve"], env=dict(env, **more), stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertNotIn("e2e-password", done.stderr)
            return done.stderr
        from_file = {"MEMSEAL__POSTGRES__DSN_FILE": str(file)}
        for mode in (0o644, 0o640, 0o602):
            self.assertIn("run chmod 600 on it", refused(mode, **from_file))
        self.assertIn("postgres.migrate_dsn is set (env MEMSEAL__POSTGRES__MIGRATE_DSN)",
                      refused(0o600, **from_file, MEMSEAL__POSTGRES__MIGRATE_DSN=at.owner))
        self.assertIn("postgres.backup_dsn is set", refused(0o600, **from_file, MEMSEAL__POSTGRES__BACKUP_DSN=at.owner))
        self.assertEqual(at.cli("doctor", env={"MEMSEAL__POSTGRES__DSN": "", **from_file}, check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
