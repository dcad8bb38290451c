"""SIGKILL in the middle of everything: nothing is lost, nothing is doubled."""
import os
import random
import threading
import time
import unittest
import uuid

from harness import STRUCTURED, EndToEnd, psql, structured

KILLS = int(os.environ.get("MEMSEAL_KILLS", "25"))
USERS = [f"user{i}" for i in range(5)]


class KilledWorkers(EndToEnd):
    settings = {"log__level": "warn", "kafka__instance_id": "worker-1", "chunk__tokens": 16}

    def test_no_event_is_lost_or_doubled_by_kills(self):
        seed = int(os.environ.get("MEMSEAL_SEED", str(int(time.time()))))
        chance = random.Random(seed)
        print(f"kill seed {seed}", flush=True)
        sent = {}
        stop = threading.Event()

        def produce():
            number = 0
            while not stop.is_set():
                lines = {}
                for _ in range(20):
                    user = USERS[number % len(USERS)]
                    event_id = str(uuid.uuid4())
                    paragraphs = 1 + number % 3
                    text = "\n\n".join(f"Event {number} of {user}, part {part}, in a few words."
                                       for part in range(paragraphs))
                    kind = "chat" if number % 4 == 0 else "upload"
                    data = {"conversation_id": f"c{number}", "messages": [{"role": "user", "content": text}]} \
                        if kind == "chat" else \
                        {"doc_id": f"d{number}", "file": {"name": "e.txt", "mime_type": "text/plain"},
                         "content": {"encoding": "utf8", "data": text}}
                    lines.setdefault((kind, user), []).append(structured(user, kind, data, event_id))
                    sent[event_id] = (user, kind, number)
                    number += 1
                for (kind, user), values in lines.items():
                    topic = self.at.chat_topic if kind == "chat" else self.at.upload_topic
                    # One record a line, and each of them sometimes sent twice by the producer.
                    if chance.random() < 0.2:
                        values.append(values[0])
                    self.produce_lines(topic, user, values)
                time.sleep(0.3)

        producer = threading.Thread(target=produce)
        producer.start()
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.15, 1.2))
                self.at.kill()
                self.at.start()
        finally:
            stop.set()
            producer.join()
        self.at.wait_documents(len(sent), timeout=240)
        self.check(sent)
        print(f"{KILLS} kills, {len(sent)} events", flush=True)

    def produce_lines(self, topic, user, values):
        import subprocess
        words = ["kcat", "-b", self.at.broker, "-P", "-t", topic, "-k", user]
        for name, content in STRUCTURED:
            words += ["-H", f"{name}={content}"]
        subprocess.run(words, input="\n".join(values).encode(), check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    def check(self, sent):
        owner = self.at.owner
        ledger = int(psql(owner, "SELECT count(*) FROM app.ingest_events")[0][0])
        self.assertEqual(ledger, len(sent), "one ledger row for each event, no more and no less")
        failed = psql(owner, "SELECT count(*) FROM app.ingest_events WHERE state <> 'succeeded'")[0][0]
        self.assertEqual(failed, "0")
        documents = int(psql(owner, "SELECT count(DISTINCT (user_hash, doc_id)) FROM app.memory_chunks")[0][0])
        self.assertEqual(documents, len(sent), "every event's document has chunks")
        doubled = psql(owner, "SELECT user_hash, doc_id, chunk_index FROM app.memory_chunks "
                              "GROUP BY 1, 2, 3 HAVING count(*) > 1")
        self.assertEqual(doubled, [])
        # chunk_index counts 0, 1, 2… without holes, and the ledger knows how many.
        holes = psql(owner, "SELECT user_hash, doc_id FROM app.memory_chunks GROUP BY 1, 2 "
                            "HAVING max(chunk_index) + 1 <> count(*)")
        self.assertEqual(holes, [])
        wrong = psql(owner, "SELECT e.doc_id FROM app.ingest_events e WHERE e.chunks <> (SELECT count(*) "
                            "FROM app.memory_chunks c WHERE c.user_hash = e.user_hash AND c.doc_id = e.doc_id)")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
