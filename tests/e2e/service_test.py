"""How the running service behaves: drain, idleness, memory, dependencies that become unavailable."""
import os
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import STRUCTURED, EndToEnd, psql, structured


class RunningService(EndToEnd):
    def put(self, user, text, doc="d"):
        self.at.kcat_produce(self.at.upload_topic, user, structured(user, "upload", {
            "doc_id": doc, "file": {"name": doc, "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": text}}), STRUCTURED)

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.at.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_it_is_small_and_idles(self):
        self.put("alice", "Small is beautiful. " * 3000)
        token = self.at.token("alice")
        self.at.wait_for(lambda: self.at.results(token, "what is small?"), what="the text found")
        time.sleep(1)
        before = self.cpu_seconds()
        time.sleep(5)
        idle = (self.cpu_seconds() - before) / 5
        self.assertLess(idle, 0.01, "idle CPU below 1 %")
        self.assertLess(self.at.metrics()["process_resident_memory_bytes"], 400 << 20)

    def test_a_term_signal_is_heeded_while_ingest_waits(self):
        insert = "INSERT ON app.memory_chunks"
        psql(self.at.owner, f"REVOKE {insert} FROM app_user")
        try:
            self.put("carol", "Patience is a virtue.", "patience")
            self.at.wait_for(lambda: self.at.metrics().get("memseal_ingest_stalled") == 1,
                             what="ingest waits")
            begun = time.time()
            status = self.at.stop()
            took = time.time() - begun
        finally:
            psql(self.at.owner, f"GRANT {insert} TO app_user")
        self.assertEqual(status, 0, self.at.server_log()[-2000:])
        self.assertLess(took, 20)
        self.at.start()
        token = self.at.token("carol")
        self.at.wait_for(lambda: self.at.results(token, "what is a virtue?"),
                         what="the event that was in hand is delivered again")

    def test_a_term_signal_drains(self):
        self.put("bob", "Draining takes its time.")
        token = self.at.token("bob")
        self.at.wait_for(lambda: self.at.results(token, "what takes time?"), what="the text found")
        outcomes = []

        def ask():
            try:
                kinds = [kind for _, kind, _ in self.at.query(token, "what takes time?")]
                outcomes.append(kinds[-1])
            except (RuntimeError, OSError, Exception) as refused:  # after the door is shut
                outcomes.append(type(refused).__name__)
        askers = [threading.Thread(target=ask) for _ in range(20)]
        for asker in askers:
            asker.start()
        time.sleep(0.02)
        status = self.at.stop()
        for asker in askers:
            asker.join()
        self.assertEqual(status, 0, self.at.server_log()[-2000:])
        for outcome in outcomes:
            self.assertNotEqual(outcome, "query.started", "a stream was cut without its end")
        # Offsets are committed: a new start reads nothing again.
        self.at.start()
        time.sleep(3)
        again = sum(value for name, value in self.at.metrics().items()
                    if name.startswith("memseal_ingest_events_total"))
        self.assertEqual(again, 0)

    def test_a_process_fenced_by_its_twin_ends_with_a_sentence(self):
        self.at.stop()
        before = self.at.env
        self.addCleanup(setattr, self.at, "env", before)
        self.at.env = dict(before, MEMSEAL__KAFKA__INSTANCE_ID="one")
        self.at.start()
        fenced = self.at.server
        self.addCleanup(fenced.kill)
        self.at.wait_for(lambda: self.at.metrics().get("memseal_kafka_partitions", 0) > 0,
                         what="partitions of the first process")
        self.at.start()
        self.assertEqual(fenced.wait(40), 1, self.at.server_log()[-2000:])
        self.assertIn("another process uses the same kafka.instance_id", self.at.server_log())
        self.assertIsNone(self.at.server.poll(), "the newer process lives")


class AFencedProcess(EndToEnd):
    settings = {"kafka__instance_id": "the-only-one"}

    def test_ends_with_exit_code_1_and_a_sentence(self):
        first, log = self.at.server, self.at.server_log
        # A stored event shows that the first process is a member of the group.
        self.at.kcat_produce(self.at.upload_topic, "alice", structured("alice", "upload", {
            "doc_id": "d", "file": {"name": "d", "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": "A fence keeps the first one out."}}), STRUCTURED)
        self.at.wait_documents(1)
        self.at.start()  # A second process with the same kafka.instance_id.
        self.assertEqual(first.wait(60), 1, log()[-2000:])
        broken = [line for line in log().splitlines() if "service.broken" in line]
        self.assertEqual(len(broken), 1, log()[-2000:])
        self.assertIn("another process uses the same kafka.instance_id", broken[0])
        self.assertEqual(self.at.stop(), 0, log()[-2000:])


if __name__ == "__main__":
    unittest.main()
