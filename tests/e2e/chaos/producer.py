"""Writes events with kcat, a batch at a time, and keeps in mind what the broker acknowledged. A batch without
an acknowledgement is written again, as producers do, so some events arrive twice."""
import contextlib
import http.client
import json
import subprocess
import threading
import time

from harness import STRUCTURED

BATCH, GAP_S = 20, 0.3
DELIVERY_MS = 4000
LAST_S = 60  # for the batch under way when the run ends


class ApiWriter:
    """A client of the HTTP API that does not wait; what is accepted must be stored."""

    USERS = ("api0", "api1")

    def __init__(self, at, worker):
        self.at, self.worker = at, worker
        self.accepted, self.refused = set(), 0  # (user, operation id)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def begin(self):
        self.tokens = {user: self.at.token(user) for user in self.USERS}
        self.thread.start()

    def end(self):
        self.stopping.set()
        self.thread.join()

    def run(self):
        number = 0
        while not self.stopping.wait(GAP_S):
            number += 1
            user = self.USERS[number % len(self.USERS)]
            ports = self.worker.ports()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ports:
                    self.post(ports[0], user, {"doc_id": f"{user}/{number}", "text": f"Line {number} by the API."})

    def post(self, port, user, body):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            link.request("POST", "/api/v1/memory/index", json.dumps(body), {
                "Content-Type": "application/json", "Authorization": f"Bearer {self.tokens[user]}"})
            answer = link.getresponse()
            data = answer.read()
        finally:
            link.close()
        if answer.status == 202:
            self.accepted.add((user, json.loads(data)["operation"]["id"]))
        else:
            self.refused += 1


class Producer:
    def __init__(self, at, workload, chance, backlog, stored):
        """Rests while more than `backlog` events wait; `stored()` tells how many are stored."""
        self.at, self.workload, self.chance, self.backlog, self.stored = at, workload, chance, backlog, stored
        self.acknowledged = set()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def begin(self):
        self.thread.start()

    def end(self):
        """Waits for the batch under way."""
        self.stopping.set()
        self.thread.join(LAST_S)

    def run(self):
        while not self.stopping.wait(GAP_S):
            if len(self.acknowledged) - self.stored() > self.backlog:
                continue
            drawn = [self.workload.draw() for _ in range(BATCH)]
            for topic, kind in ((self.at.upload_topic, "upload"), (self.at.chat_topic, "chat")):
                batch = [(event, value) for event, value in drawn if event.kind == kind]
                if not batch:
                    continue
                lines = [f"{event.user}\t{value}" for event, value in batch]
                if self.chance.random() < 0.2:
                    lines.append(lines[0])
                self.write(topic, lines)
                self.acknowledged.update(event.id for event, _ in batch)

    def write(self, topic, lines):
        while not self.write_once(topic, lines):
            time.sleep(0.2)

    def write_once(self, topic, lines):
        words = ["kcat", "-b", self.at.broker, "-P", "-t", topic, "-K", "\t",
                 "-X", f"message.timeout.ms={DELIVERY_MS}", "-X", "socket.timeout.ms=3000"]
        for name, content in STRUCTURED:
            words += ["-H", f"{name}={content}"]
        try:
            return subprocess.run(words, input="\n".join(lines).encode(), timeout=30, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode == 0
        except subprocess.TimeoutExpired:
            return False
