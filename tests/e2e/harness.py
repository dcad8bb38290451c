"""What the end-to-end tests share: one deployment for each test class (database, keyring,
topics), the real program as a child process, and an SSE client that shares no code with memseal.

Needs MEMSEAL_PROGRAM and the variables of `scripts/stack env`; skips loudly without them."""
import copy
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from processes import without_password  # noqa: E402

os.umask(0o077)  # memseal refuses a file that holds a secret and that others may read
OWNERS = ("MEMSEAL__POSTGRES__MIGRATE_DSN", "MEMSEAL__POSTGRES__BACKUP_DSN")  # no service starts that knows one

NEEDED = ["MEMSEAL_PROGRAM", "MEMSEAL_TEST_PG_SUPER", "MEMSEAL_TEST_KAFKA", "MEMSEAL_TEST_REDIS"]


def missing():
    absent = [name for name in NEEDED if not os.environ.get(name)]
    return f"set {', '.join(absent)} (scripts/test e2e does)" if absent else ""


def psql(dsn, sql):
    """Rows of one statement, as lists of strings."""
    address, env = without_password(dsn)
    done = subprocess.run(["psql", address, "-qAtX", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [line.split("\t") for line in done.stdout.splitlines() if line]


class Deployment:
    def __init__(self, **settings):
        self.program = os.environ["MEMSEAL_PROGRAM"]
        self.folder = Path(tempfile.mkdtemp(prefix="memseal-e2e-"))
        self.name = "e2e_" + uuid.uuid4().hex[:12]
        self.server = None
        self.admin_token = secrets.token_hex(24)
        self.broker = os.environ["MEMSEAL_TEST_KAFKA"]
        base, _, query = os.environ["MEMSEAL_TEST_PG_SUPER"].partition("?")
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"CREATE DATABASE {self.name}")
        self.owner = f"{base.rsplit('/', 1)[0]}/{self.name}" + (f"?{query}" if query else "")
        self.keyring = self.folder / "keyring"
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("MEMSEAL__", "MEMORY_"))}
        self.cli("keys", "init", self.keyring)
        # Roles belong to the whole cluster, so all deployments share one password.
        password = "e2e-password"
        secret = self.folder / "password"
        secret.write_text(password)
        authority = self.owner.split("://", 1)[1]
        host = authority.split("@", 1)[1] if "@" in authority else authority
        self.upload_topic = f"{self.name}.memory.upload.v1"
        self.chat_topic = f"{self.name}.memory.chat.v1"
        self.env.update({
            "MEMSEAL__POSTGRES__MIGRATE_DSN": self.owner,
            "MEMSEAL__POSTGRES__DSN": f"postgresql://app_user:{password}@{host}",
            "MEMSEAL__SEAL__KEYRING_FILE": str(self.keyring),
            "MEMSEAL__KAFKA__BROKERS": self.broker,
            "MEMSEAL__KAFKA__GROUP": self.name,
            "MEMSEAL__KAFKA__PRODUCERS": "broker",  # most tests write as producers that do not sign
            "MEMSEAL__KAFKA__UPLOAD_TOPIC": self.upload_topic,
            "MEMSEAL__KAFKA__CHAT_TOPIC": self.chat_topic,
            "MEMSEAL__KAFKA__STATUS_TOPIC": f"{self.name}.memory.status.v1",
            "MEMSEAL__REDIS__URL": os.environ["MEMSEAL_TEST_REDIS"],
            "MEMSEAL__FILES__DIRECTORY": str(self.folder / "files"),
            "MEMSEAL__HTTP__LISTEN": "127.0.0.1:0",
            "MEMSEAL__HTTP__ADMIN_LISTEN": "127.0.0.1:0",
            "MEMSEAL__HTTP__ADMIN_TOKEN": self.admin_token,
            **{f"MEMSEAL__RATELIMIT__{limit}": "100000000" for limit in (
                "QUERY_REQUESTS", "QUERY_TOKENS", "WRITE_REQUESTS", "WRITE_TOKENS",
                "INFERENCE_REQUESTS", "INFERENCE_TOKENS", "METRICS_REQUESTS")},
        })
        self.env.update({"MEMSEAL__" + key.upper(): str(value) for key, value in settings.items()})
        self.cli("migrate", "up", "--app-password-file", secret)

    def service_env(self):
        """The environment of a service: an operator's without the addresses of the database's owner."""
        return {name: value for name, value in self.env.items() if name not in OWNERS}

    def cli(self, *words, check=True, env=None, stdin=None, timeout=120):
        own = self.service_env() if "serve" in words else self.env
        done = subprocess.run([self.program, *map(str, words)], env=dict(own, **(env or {})),
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"memseal {' '.join(map(str, words))}: {done.stderr}")
        return done

    def start(self):
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        with open(self.folder / "serve.log", "ab") as log:
            self.server = subprocess.Popen([self.program, "serve", "--ports-file", str(ports)],
                                           env=self.service_env(), stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
        deadline = time.time() + 60
        while time.time() < deadline:
            if ports.exists() and len(ports.read_text().split()) == 2:
                self.port, self.admin_port = map(int, ports.read_text().split())
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("serve did not start: " + self.server_log()[-3000:])

    def server_log(self):
        return (self.folder / "serve.log").read_text(errors="replace")

    def kill(self):
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def stop(self, timeout=40):
        """SIGTERM; returns the exit status."""
        if self.server is None or self.server.poll() is not None:
            return self.server.returncode if self.server else None
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(timeout)

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        shutil.rmtree(self.folder, ignore_errors=True)

    def token(self, user, lifetime_s=3600):
        return self.cli("token", "mint", "--user", user, "--lifetime-s", lifetime_s).stdout.strip()

    def request(self, method, path, body=None, token=None, headers=None, admin=False):
        link = http.client.HTTPConnection("127.0.0.1", self.admin_port if admin else self.port, timeout=30)
        sent = dict(headers or {})
        if admin and method != "GET":
            token = token or self.admin_token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        link.request(method, path, body=body, headers=sent)
        answer = link.getresponse()
        data = answer.read()
        link.close()
        return answer, data

    def metrics(self):
        _, data = self.request("GET", "/metrics", admin=True)
        values = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def query(self, token, text, **more):
        """The events of one streamed query, as (id, type, data)."""
        return list(self.stream(token, text, **more))

    def stream(self, token, text, **more):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = json.dumps({"query": text, **more})
        link.request("POST", "/api/v1/memory/query", body=body,
                     headers={"Accept": "text/event-stream", "Content-Type": "application/json",
                              "Authorization": f"Bearer {token}"})
        answer = link.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}: {answer.read().decode()}")
        if not answer.getheader("Content-Type", "").startswith("text/event-stream"):
            raise RuntimeError("not an event stream")
        yield from read_events(answer)
        link.close()

    def results(self, token, text, **more):
        return [json.loads(data) for _, kind, data in self.query(token, text, **more)
                if kind == "query.result"]

    def wait_for(self, seen, timeout=60, what="the condition"):
        deadline = time.time() + timeout
        while time.time() < deadline:
            if seen():
                return
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come true in {timeout} s; log: {self.server_log()[-2000:]}")

    def wait_documents(self, count, timeout=120):
        self.wait_for(lambda: self.succeeded() >= count, timeout, f"{count} events ingested")

    def succeeded(self):
        return int(psql(self.owner, "SELECT count(*) FROM app.ingest_events WHERE state = 'succeeded'")[0][0])

    def kcat_produce(self, topic, key, value, headers=(), *more):
        words = ["kcat", "-b", self.broker, "-P", "-t", topic, "-k", key, "-D", "\x01", *more]
        for name, content in headers:
            words += ["-H", f"{name}={content}"]
        subprocess.run(words, input=value.encode() if isinstance(value, str) else value, check=True,
                       timeout=30, stdout=subprocess.DEVNULL)

    def kcat_headers(self, topic, count, timeout=20):
        """Headers of the first `count` records, each as a dict."""
        done = subprocess.run(["kcat", "-b", self.broker, "-C", "-t", topic, "-o", "beginning", "-c",
                               str(count), "-e", "-q", "-f", "%h\n"], stdout=subprocess.PIPE,
                              timeout=timeout)
        records = []
        for line in done.stdout.decode().splitlines():
            # name=value,name=value: a value may hold commas, a name never does.
            pairs = re.findall(r"([a-z-]+)=(.*?)(?=,memseal-[a-z-]+=|$)", line)
            records.append(dict(pairs))
        return records

    def kcat_count(self, topic, timeout=20):
        """Records of a topic."""
        return len(subprocess.run(["kcat", "-b", self.broker, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o\n"],
                                  stdout=subprocess.PIPE, timeout=timeout).stdout.splitlines())

    def kcat_raw(self, topic, timeout=20):
        """All values of a topic, as they are."""
        return subprocess.run(["kcat", "-b", self.broker, "-C", "-t", topic, "-o", "beginning", "-e",
                               "-q"], stdout=subprocess.PIPE, timeout=timeout).stdout


def read_events(lines):
    """An event stream by the rules of the WHATWG standard, for LF and CRLF line ends."""
    last_id, kind, data = "", "", []
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line == "":
            if data:
                yield last_id, kind or "message", "\n".join(data)
            kind, data = "", []
            continue
        if line.startswith(":"):
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "id":
            last_id = value
        elif field == "event":
            kind = value
        elif field == "data":
            data.append(value)


def structured(user, kind, data, event_id=None, source="/e2e"):
    """A CloudEvent in structured mode."""
    return json.dumps({"specversion": "1.0", "id": event_id or str(uuid.uuid4()), "source": source,
                       "type": f"dev.memseal.memory.{kind}.v1", "subject": user,
                       "time": "2026-11-21T10:00:00Z", "datacontenttype": "application/json",
                       "data": data})


STRUCTURED = [("content-type", "application/cloudevents+json")]


@unittest.skipIf(missing(), missing())
class EndToEnd(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.at = Deployment(**cls.settings)
        cls.at.start()

    @classmethod
    def tearDownClass(cls):
        cls.at.close()

    def another(self, **env):
        """Another process of the same deployment, with these settings beside its own."""
        second = copy.copy(self.at)
        second.folder = Path(tempfile.mkdtemp(prefix="memseal-e2e-"))
        second.env = dict(self.at.env, **env)
        self.addCleanup(shutil.rmtree, second.folder, True)
        second.start()
        self.addCleanup(second.stop)
        return second
