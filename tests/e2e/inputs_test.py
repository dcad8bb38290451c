"""Bad input: each gets a clear error with its name and what to do; nothing is lost; the process lives."""
import json
import os
import shutil
import socket
import struct
import unittest
from pathlib import Path

from harness import Deployment, EndToEnd, missing


class BadRequests(EndToEnd):
    settings = {"ratelimit__query_requests": 60, "ratelimit__window_s": 3600}

    def refuse(self, status, code, method="POST", path="/api/v1/memory/query", body=None, token="mint",
               **headers):
        if token == "mint":
            token = self.at.token("alice")
        answer, data = self.at.request(method, path, body, token, headers)
        self.assertEqual(answer.status, status, data)
        self.assertEqual(answer.getheader("Content-Type"), "application/problem+json")
        problem = json.loads(data)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["code"], code, problem)
        self.assertEqual(problem["request_id"], answer.getheader("X-Request-ID"))
        return answer, problem

    def test_tokens_that_are_not_good_get_one_answer(self):
        good = self.at.token("alice")
        head, claims, mark = good.split(".")
        answers = []
        for bad in ("", "x", "a.b.c", good[:-2], f"{head}.{claims}.", f"{claims}.{head}.{mark}", good + "=",
                    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."):
            answer, problem = self.refuse(401, "unauthenticated", body={"query": "x"}, token=bad or None)
            self.assertIn("Bearer", answer.getheader("WWW-Authenticate"))
            problem.pop("request_id")
            answers.append(problem)
        # An answer that differed would tell a guesser what is wrong with a token.
        self.assertEqual(answers, [answers[0]] * 8)
        self.assertNotIn("expired", json.dumps(answers[0]))

    def test_bodies_that_are_not_good(self):
        sent = {"Content-Type": "application/json"}
        self.refuse(400, "bad_json", body="{", **sent)
        self.refuse(400, "bad_json", body="[]", **sent)
        self.refuse(422, "invalid_field", body={"query": ""})
        self.refuse(422, "invalid_field", body={"query": "x", "top_k": 0})
        self.refuse(422, "invalid_field", body={"query": "x", "top_k": 101})
        self.refuse(422, "invalid_field", body={"query": "x", "quary": 1})
        self.refuse(422, "invalid_field", body={"query": "x" * 9000})
        self.refuse(403, "user_mismatch", body={"query": "x", "user_id": "bob"})
        self.refuse(413, "payload_too_large", body="x" * (1 << 20 | 1), **sent)
        self.refuse(415, "unsupported_media_type", body="query=x", **{"Content-Type": "text/plain"})
        self.refuse(406, "not_acceptable", body={"query": "x"}, Accept="image/png")

    def test_paths_and_methods_that_are_not_there(self):
        self.refuse(404, "not_found", "GET", "/api/v1/nothing")
        self.refuse(405, "method_not_allowed", "GET", "/api/v1/memory/query")
        self.refuse(404, "not_found", "GET", "/metrics")

    def test_the_bucket_runs_dry(self):
        token = self.at.token("thirsty")
        for _ in range(5):  # what is invalid takes nothing
            self.refuse(422, "invalid_field", body={"query": ""}, token=token)
        statuses = []
        for _ in range(61):
            answer, data = self.at.request("POST", "/api/v1/memory/query", {"query": "x"}, token)
            statuses.append(answer.status)
        self.assertEqual(statuses[:60], [200] * 60)
        self.assertEqual(statuses[60], 429)
        problem = json.loads(data)
        self.assertEqual((problem["code"], problem["bucket"], problem["limit"]), ("rate_limited", "query", "requests"))
        self.assertEqual(str(problem["retry_after_s"]), answer.getheader("Retry-After"))
        self.assertEqual(answer.getheader("X-RateLimit-Limit"), "60")
        self.assertEqual(answer.getheader("X-RateLimit-Remaining"), "0")
        self.assertGreater(int(answer.getheader("Retry-After")), 0)
        self.assertIn("RateLimit", {name for name, _ in answer.getheaders()})
        other, _ = self.at.request("POST", "/api/v1/memory/query", {"query": "x"}, self.at.token("other"))
        self.assertEqual(other.status, 200)
        written, _ = self.at.request("POST", "/api/v1/memory/index", {"text": "Tea."}, token)
        self.assertEqual(written.status, 202, "writes have a bucket of their own")
        for _ in range(100):
            polled, _ = self.at.request("GET", written.getheader("Location"), token=token)
            self.assertEqual(polled.status, 200, "polling is free")

    def test_raw_nonsense_gets_400_or_a_closed_door(self):
        for raw in (b"\x16\x03\x01\x00", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.at.port), 10) as link:
                link.settimeout(15)
                link.sendall(raw)
                try:
                    answer = link.recv(4096)
                except (ConnectionResetError, TimeoutError):
                    answer = b""
            if answer:
                self.assertRegex(answer.split(b"\r\n")[0], rb"^HTTP/1\.[01] (400|404|413|414|431)")
        answer, _ = self.at.request("GET", "/health")
        self.assertEqual(answer.status, 200)

    def test_every_answer_names_its_request(self):
        answer, _ = self.at.request("GET", "/health", headers={"X-Request-ID": "abc-123"})
        self.assertEqual(answer.getheader("X-Request-ID"), "abc-123")
        answer, _ = self.at.request("GET", "/health", headers={"X-Request-ID": "<script>"})
        self.assertNotEqual(answer.getheader("X-Request-ID"), "<script>")

    def test_ready_and_memory_say_what_they_see(self):
        answer, data = self.at.request("GET", "/ready")
        self.assertEqual(answer.status, 200, data)
        self.assertGreater(self.at.metrics()["process_resident_memory_bytes"], 10 << 20)
        _, data = self.at.request("GET", "/metrics/memory", admin=True)
        self.assertIn(b"memory_query_response_time_ms_count", data)
        self.assertNotIn(b"process_resident_memory_bytes", data)
        _, data = self.at.request("GET", "/metrics", admin=True)
        self.assertIn(b"memseal_http_requests_total", data)


@unittest.skipIf(missing(), missing())
class BadSetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.at = Deployment()

    @classmethod
    def tearDownClass(cls):
        cls.at.close()

    def refuse(self, *words, env=None, says=(), status=2, command=("serve",)):
        done = self.at.cli(*command, *words, env=env or {}, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        for word in says:
            self.assertIn(word, done.stderr)
        return done

    def test_configuration(self):
        self.refuse(env={"MEMSEAL__HTTP__LISTEM": "x"}, says=["http.listem", "did you mean", "http.listen"])
        self.refuse("--set", "chunk.tokens=9999", says=["chunk.tokens", "16 to 254"])
        self.refuse("-c", "/does/not/exist.yaml", says=["/does/not/exist.yaml", "config init"])
        broken = self.at.folder / "broken.yaml"
        broken.write_text("http: [\n")
        self.refuse("-c", broken, says=["broken.yaml", "not YAML"])
        twice = self.at.folder / "twice.yaml"
        twice.write_text("http:\n  listen: a:1\n  listen: b:2\n")
        self.refuse("-c", twice, says=["http.listen", "twice"])
        self.refuse(says=["--frobnicate"], command=("serve", "--frobnicate"))

    def test_a_busy_port(self):
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            address = "127.0.0.1:%d" % busy.getsockname()[1]
            self.refuse(env={"MEMSEAL__HTTP__LISTEN": address}, says=["127.0.0.1 port %d" % busy.getsockname()[1], "in use"])

    def test_databases(self):
        dsn = self.at.env["MEMSEAL__POSTGRES__DSN"]
        self.refuse(env={"MEMSEAL__POSTGRES__DSN": "postgresql://app_user:x@127.0.0.1:1/nowhere"},
                    says=["127.0.0.1"])
        self.refuse(env={"MEMSEAL__POSTGRES__DSN": dsn.replace("e2e-password", "wrong-word")}, says=["password"])
        blank = Deployment.__new__(Deployment)
        blank.__dict__.update(self.at.__dict__)
        self.refuse(env={"MEMSEAL__POSTGRES__DSN": dsn.replace(self.at.name, "postgres")},
                    says=["memseal migrate up"])

    def test_keys(self):
        self.refuse(env={"MEMSEAL__SEAL__KEYRING_FILE": "/does/not/exist"}, says=["memseal keys init"])
        other = self.at.folder / "other-keyring"
        self.at.cli("keys", "init", other)
        self.refuse(env={"MEMSEAL__SEAL__KEYRING_FILE": str(other)}, says=["key"])
        os.chmod(other, 0o644)
        self.refuse(env={"MEMSEAL__SEAL__KEYRING_FILE": str(other)}, says=["chmod 600"])
        again = self.at.cli("keys", "init", other, check=False)
        self.assertEqual(again.returncode, 1)

    def test_the_environment_names_of_the_replaced_system_are_understood(self):
        shown = self.at.cli("config", "show", env={"RERANK_ENABLED": "false"}).stdout
        line = next(line for line in shown.splitlines() if line.startswith("rerank.enabled"))
        self.assertIn("false", line)
        self.assertIn("env RERANK_ENABLED", line)

        keys = {"MEMORY_TENANT_HMAC_KEY": os.urandom(32).hex(), "MEMORY_ENCRYPTION_KEY": os.urandom(32).hex(),
                "MEMSEAL__SEAL__TOKEN_KEY": os.urandom(32).hex(), "MEMSEAL__SEAL__KEYRING_FILE": ""}
        token = self.at.cli("token", "mint", "--user", "alice", env=keys).stdout.strip()
        self.assertEqual(token.count("."), 2)
        self.refuse(env=dict(keys, MEMORY_TENANT_HMAC_KEY=""), says=["seal.tenant_hmac_key"])
        self.refuse(env=dict(keys, MEMORY_ENCRYPTION_KEY="22"), says=["MEMORY_ENCRYPTION_KEY"])

    def model(self, name):
        """A copy of the model directory by links, so that one file of it can be spoilt."""
        whole = Path(os.environ["MEMSEAL_PROGRAM"]).parents[2] / ".deps/models/all-MiniLM-L6-v2"
        copy = self.at.folder / name
        copy.mkdir()
        for file in whole.iterdir():
            if file.is_file():
                os.symlink(file, copy / file.name)
        return copy

    def replace(self, copy, name, data):
        (copy / name).unlink()
        (copy / name).write_bytes(data)

    def test_models(self):
        self.refuse(env={"MEMSEAL__EMBEDDING__MODEL": "/does/not/exist"}, says=["/does/not/exist"])
        short = self.model("truncated")
        data = (short / "model.safetensors").read_bytes()
        self.replace(short, "model.safetensors", data[:len(data) // 2])
        self.refuse(env={"MEMSEAL__EMBEDDING__MODEL": str(short)}, says=["model.safetensors"])
        lacking = self.model("lacking")
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        gone = "encoder.layer.3.output.dense.weight"
        self.assertIn(gone, header)
        header["x" * len(gone)] = header.pop(gone)
        spoilt = json.dumps(header).encode()
        self.replace(lacking, "model.safetensors", struct.pack("<Q", len(spoilt)) + spoilt + data[8 + size:])
        self.refuse(env={"MEMSEAL__EMBEDDING__MODEL": str(lacking)}, says=[gone])
        strange = self.model("strange")
        config = json.loads((strange / "config.json").read_text())
        config["hidden_act"] = "swish"
        self.replace(strange, "config.json", json.dumps(config).encode())
        self.refuse(env={"MEMSEAL__EMBEDDING__MODEL": str(strange)}, says=["hidden_act", "swish"])

    def test_commands_teach(self):
        shown = self.at.cli("--help").stdout
        for word in ("memseal dev", "Exit codes", "publish", "doctor"):
            self.assertIn(word, shown)
        self.assertEqual(self.at.cli(check=False).returncode, 2)
        version = self.at.cli("version").stdout
        self.assertRegex(version, r"^memseal \d+\.\d+\.\d+")
        self.assertEqual(json.loads(self.at.cli("--json", "version").stdout)["version"], version.split()[1])
        self.assertEqual(self.at.cli("config", "check").stdout.strip(), "the configuration is sound")
        shown = self.at.cli("config", "show").stdout
        self.assertNotIn("e2e-password", shown)
        self.assertIn("env MEMSEAL__POSTGRES__DSN", shown)
        template = self.at.cli("config", "init").stdout
        file = self.at.folder / "template.yaml"
        file.write_text(template)
        self.assertEqual(self.at.cli("-c", file, "config", "check").returncode, 0)
        self.assertEqual(self.at.cli("query", "x", "--url", "http://127.0.0.1:1", check=False).returncode, 3)

    def test_the_doctor_says_what_to_do(self):
        sound = self.at.cli("doctor", check=False)
        self.assertRegex(sound.stdout, r"ok   documents +\S+memseal-extract reads them under seccomp.*, PDF too")
        self.assertEqual(sound.returncode, 0, sound.stdout + sound.stderr)
        self.assertIn("one replica, whose disk may lose acknowledged events", sound.stdout)
        self.assertIn("MEMSEAL__KAFKA__REPLICATION", sound.stdout)
        ill = self.at.cli("--json", "doctor", check=False,
                          env={"MEMSEAL__KAFKA__BROKERS": "127.0.0.1:1"})
        self.assertEqual(ill.returncode, 3)
        kafka = next(check for check in json.loads(ill.stdout)["checks"] if check["name"] == "kafka")
        self.assertFalse(kafka["ok"])
        self.assertTrue(kafka["fix"])


if __name__ == "__main__":
    unittest.main()
