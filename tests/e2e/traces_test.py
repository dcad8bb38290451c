"""Traces: what a service exports to a receiver of OTLP/HTTP, read by the official schema, and that no byte of it is
content."""
import http.server
import json
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import STRUCTURED, Deployment, EndToEnd, psql, structured

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".deps" / "clients" / "bin" / "python"
CALLER, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PRODUCER, PRODUCER_SPAN = "1bf7651916cd43dd8448eb211c80319d", "c7ad6b7169203332"
SILENT = "2cf7651916cd43dd8448eb211c80319e"
USER, DOCUMENT, EVENT = "markeruser", "markerdocument", "markerevent"
WORDS = "markerlighthouse counts markerships"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; refuses the first export, as one that is overloaded does."""
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at = self.server
        with at.lock:
            number = len(at.requests)
            at.requests.append((self.path, dict(self.headers.items()), body))
        self.send_response(503 if number == 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Traces(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        cls.receiver.lock, cls.receiver.requests = threading.Lock(), []
        threading.Thread(target=cls.receiver.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.receiver.server_close)
        cls.addClassCleanup(cls.receiver.shutdown)
        cls.at = Deployment()
        cls.addClassCleanup(cls.at.close)
        cls.at.env.update({
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{cls.receiver.server_port}/otlp",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-scope=tenant%201",
            "OTEL_SERVICE_NAME": "memory", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=e2e",
            "OTEL_BSP_SCHEDULE_DELAY": "100"})
        cls.at.start()
        cls.token = cls.at.token(USER)
        cls.traffic()
        cls.at.wait_for(lambda: cls.at.metrics()["memseal_trace_spans_exported_total"] > 0, 60, "an export")
        cls.metrics = cls.at.metrics()
        cls.status = cls.at.stop()  # what waits is exported
        cls.bodies = [body for _, _, body in cls.receiver.requests]
        with tempfile.TemporaryDirectory() as folder:
            for number, body in enumerate(cls.bodies[1:]):  # the second is the first once more
                (Path(folder) / f"{number:04}").write_bytes(body)
            judged = subprocess.run([PYTHON, HERE / "clients" / "otlp_judge.py", folder], text=True, timeout=120,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if judged.returncode != 0:
            raise RuntimeError(judged.stderr)
        cls.spans = json.loads(judged.stdout)

    @classmethod
    def tearDownClass(cls):
        pass

    @classmethod
    def traffic(cls):
        at, token = cls.at, cls.token
        caller = {"traceparent": f"00-{CALLER}-{CALLER_SPAN}-01", "tracestate": "markervendor=1"}
        answer, data = at.request("POST", "/api/v1/memory/index?wait=20",
                                  {"text": WORDS, "doc_id": DOCUMENT}, token, caller)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data}")
        at.request("POST", "/api/v1/memory/query", {"query": "markerships?"}, token, caller)
        at.results(token, "what counts markerships?")
        at.request("GET", f"/api/v1/memory/documents/{DOCUMENT}", token=token, headers={"X-Request-ID": "marker-request"})
        at.request("GET", f"/api/v1/memory/documents/{DOCUMENT}", token="markertoken")
        at.request("GET", "/marker/path?markerquery=1")
        at.request("POST", "/api/v1/memory/query", {"query": "markersilent"}, token,
                   {"traceparent": f"00-{SILENT}-{CALLER_SPAN}-00"})
        event = structured(USER, "upload", {
            "doc_id": "markerkafka", "file": {"name": "markername.txt", "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": "markerkafkatext is short."}}, EVENT)
        at.kcat_produce(at.upload_topic, USER, event,
                        STRUCTURED + [("traceparent", f"00-{PRODUCER}-{PRODUCER_SPAN}-01")])
        at.kcat_produce(at.upload_topic, USER, "markerbroken {", STRUCTURED)
        at.wait_documents(2)
        at.wait_for(lambda: sum(value for name, value in at.metrics().items()
                                if name.startswith("memseal_dlq_records_total")), 60, "the dead letter")

    def of(self, name, trace=None):
        return [span for span in self.spans if span["name"] == name and trace in (None, span["trace"])]

    def test_the_receiver_gets_what_the_variables_say(self):
        self.assertEqual(self.status, 0)
        for path, headers, _ in self.receiver.requests:
            self.assertEqual(path, "/otlp/v1/traces")
            self.assertEqual(headers["Content-Type"], "application/x-protobuf")
            self.assertEqual(headers["x-scope"], "tenant 1")
        self.assertEqual(self.bodies[0], self.bodies[1], "sent again after a 503")
        resource = self.spans[0]["resource"]
        self.assertEqual((resource["service.name"], resource["deployment.environment.name"]), ("memory", "e2e"))
        self.assertRegex(resource["service.version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual({span["scope"] for span in self.spans}, {"memseal"})

    def test_a_trace_goes_from_the_caller_through_kafka_to_the_rows(self):
        request, = self.of("POST /api/v1/memory/index", CALLER)
        self.assertEqual((request["parent"], request["kind"]),
                         (CALLER_SPAN, "SPAN_KIND_SERVER"))
        self.assertEqual(request["attributes"]["http.response.status_code"], 200)
        record, = self.of(f"process {self.at.upload_topic}", CALLER)
        self.assertEqual((record["parent"], record["kind"]), (request["id"], "SPAN_KIND_CONSUMER"))
        self.assertEqual(record["attributes"]["messaging.destination.name"], self.at.upload_topic)
        self.assertEqual(record["attributes"]["memseal.outcome"], "ingested")
        for step in ("prepare", "embed", "seal", "store"):
            part, = self.of(f"ingest {step}", CALLER)
            self.assertEqual(part["parent"], record["id"], step)
            self.assertLessEqual(record["start"], part["start"], step)
        query, = self.of("POST /api/v1/memory/query", CALLER)
        for stage in ("embed", "search", "open"):
            part, = self.of(f"query {stage}", CALLER)
            self.assertEqual(part["parent"], query["id"], stage)

    def test_a_producer_is_gone_on_with_and_its_decision_kept(self):
        record, = self.of(f"process {self.at.upload_topic}", PRODUCER)
        self.assertEqual(record["parent"], PRODUCER_SPAN)
        self.assertEqual([span for span in self.spans if span["trace"] == SILENT], [])
        dead = [span for span in self.of(f"process {self.at.upload_topic}") if span["failed"]]
        self.assertEqual([span["attributes"]["memseal.outcome"] for span in dead], ["dead_lettered"])
        streamed = [span for span in self.of("POST /api/v1/memory/query") if span["trace"] not in (CALLER, SILENT)]
        self.assertEqual(len(streamed), 1, "a request without a trace begins one")

    def test_no_byte_is_content(self):
        everything = b"".join(self.bodies) + b"".join(
            repr(sorted(headers.items())).encode() for _, headers, _ in self.receiver.requests)
        self.assertGreater(len(self.spans), 20)
        self.assertIn(b"/api/v1/memory/documents/{id}", everything, "what is exported can be read as it is")
        self.assertNotIn(b"marker", everything.lower())
        self.assertNotIn(self.token.encode(), everything)
        hashes = [row[0] for row in psql(self.at.owner, "SELECT DISTINCT user_hash FROM app.memory_chunks")]
        self.assertEqual(len(hashes), 1)
        for part in (hashes[0], hashes[0][:8]):
            self.assertNotIn(part.encode(), everything)
            self.assertNotIn(bytes.fromhex(part), everything)
        routes = {span["attributes"].get("http.route") for span in self.spans if span["kind"] == "SPAN_KIND_SERVER"}
        self.assertIn("/api/v1/memory/documents/{id}", routes)
        self.assertFalse([span for span in self.spans if span["attributes"].get("http.route") in ("/metrics", "/health")])

    def test_nothing_was_dropped(self):
        for name, value in self.metrics.items():
            if name.startswith("memseal_trace_spans_dropped_total"):
                self.assertEqual(value, 0, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
