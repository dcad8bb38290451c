"""What the benchmarks of a running service share: a service with scripts/stack or as `memseal dev`, a client of
its queries, a producer and a consumer that stay connected, and the figure as one JSON line."""
import ctypes
import datetime
import http.client
import json
import math
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e")]
from harness import structured  # noqa: E402

PROGRAM = ROOT / "build/release/memseal"
FOUND_S = 30  # then what was published is not found


def percentile(values, share):
    """The value that `share` of all values do not exceed (nearest rank)."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def machine_name():
    names = [line.split(": ", 1)[1] for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'} x{os.cpu_count()}"


def isa_name():
    text = Path("/proc/cpuinfo").read_text()
    flags = set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    names = {"avx512_bf16": "avx512_bf16", "avx512_vnni": "avx512_vnni", "avx512f": "avx512", "avx2": "avx2"}
    name = next((shown for flag, shown in names.items() if flag in flags), "sse2")
    return name + ("+amx" if "amx_bf16" in flags else "")


def figure(name, ours, rival, rival_name, runs, unit="ms", **more):
    """Prints one figure; `more` are further percentiles and what they hold for."""
    line = {"id": name, "ours": ours, "rival": rival, "rival_name": rival_name, "ratio": ours / rival, "unit": unit,
            "better": "lower", "machine": machine_name(), "isa": isa_name(),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "runs": runs,
            "load": os.getloadavg()[0], **more}
    rounded = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in line.items()}
    print(json.dumps(rounded, separators=(",", ":"), ensure_ascii=False), flush=True)


def skipped(name, why):
    print(json.dumps({"id": name, "skipped": why}), flush=True)


class Asker:
    """One user's questions on a connection that stays open."""

    def __init__(self, port, token):
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Accept": "application/json", "Content-Type": "application/json",
                        "Authorization": f"Bearer {token}"}

    def ask(self, question, **more):
        self.link.request("POST", "/api/v1/memory/query", json.dumps({"query": question, **more}), self.headers)
        answer = self.link.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a question was answered with {answer.status}: {data[:300]}")
        return json.loads(data)["results"]

    def wait_found(self, question, doc):
        """Asks until the document is among the answers. Returns when that was, by time.monotonic()."""
        deadline = time.monotonic() + FOUND_S
        while time.monotonic() < deadline:
            if any(hit["doc_id"] == doc for hit in self.ask(question, doc_ids=[doc])):
                return time.monotonic()
        raise RuntimeError(f"{doc} is not found {FOUND_S} s after it was published")


class Writer:
    """A producer that stays connected; each record leaves at once. kcat would wait for the end of its input."""

    LIBRARY = "librdkafka.so.1"  # kcat's
    PRODUCER, ANY_PARTITION, COPY, TEXT = 0, -1, 2, 512

    def __init__(self, broker, topic):
        self.kafka = kafka = ctypes.CDLL(self.LIBRARY)
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
            getattr(kafka, name).restype = ctypes.c_void_p
        said = ctypes.create_string_buffer(self.TEXT)
        conf = ctypes.c_void_p(kafka.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", broker), ("linger.ms", "0"), ("enable.idempotence", "true"),
                            ("log_level", "0")):
            if kafka.rd_kafka_conf_set(conf, name.encode(), value.encode(), said, self.TEXT) != 0:
                raise RuntimeError(said.value.decode())
        self.client = ctypes.c_void_p(kafka.rd_kafka_new(self.PRODUCER, conf, said, self.TEXT))
        self.topic = ctypes.c_void_p(kafka.rd_kafka_topic_new(self.client, topic.encode(), None))

    def write(self, user, value):
        """Returns when the record was handed over, by time.monotonic()."""
        key, value, now = user.encode(), value.encode(), time.monotonic()
        if self.kafka.rd_kafka_produce(self.topic, self.ANY_PARTITION, self.COPY, value, ctypes.c_size_t(len(value)),
                                       key, ctypes.c_size_t(len(key)), None) != 0:
            raise RuntimeError("the record was not taken")
        return now

    def upload(self, user, doc, text):
        return self.write(user, structured(user, "upload", {
            "doc_id": doc, "file": {"name": doc, "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": text}}))

    def chat(self, user, conversation, text):
        return self.write(user, structured(user, "chat", {
            "conversation_id": conversation, "messages": [{"role": "user", "content": text}]}))

    def flush(self):
        if self.kafka.rd_kafka_flush(self.client, 30_000) != 0:
            raise RuntimeError("not all records were acknowledged")


class Bare:
    """A record's way from the same producer over the same broker to a bare consumer."""

    def __init__(self, broker, topic, fetch_wait_ms):
        self.writer = Writer(broker, topic)
        self.writer.write("bare", "first")  # so that there is a topic
        self.writer.flush()
        self.reader = subprocess.Popen(["kcat", "-b", broker, "-C", "-t", topic, "-o", "beginning", "-q", "-u",
                                        "-X", f"fetch.wait.max.ms={fetch_wait_ms}"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def round_trip(self):
        """Seconds."""
        mark = uuid.uuid4().hex
        begun = self.writer.write("bare", mark)
        for line in self.reader.stdout:
            if line.strip() == mark.encode():
                return time.monotonic() - begun
        raise RuntimeError("the bare consumer has ended")

    def close(self):
        self.reader.kill()
        self.reader.wait()
        self.reader.stdout.close()
