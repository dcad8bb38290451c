"""Two releases behind HAProxy as deploy/haproxy sets it up, with users who ask, and a relay in front of the second one that
can fail."""
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parents[2] / "deploy/haproxy"
SMOKE_KEY = "smoke-key-of-the-test"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def reached(port):
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


class Bed:
    """`at`: a started Deployment, which is the release in slot a."""

    def __init__(self, at, users=32, slow_database=False):
        """slow_database: the canary's database is behind a relay too, and is what the fault `slow` delays."""
        self.at, self.folder, self.children = at, at.folder / "canary", []
        self.folder.mkdir()
        self.fault_file, self.database_file = self.folder / "fault", self.folder / "database-fault"
        self.fault("none")
        self.settings = self.through_relay(at.env["MEMSEAL__POSTGRES__DSN"]) if slow_database else {}
        self.port, ops, self.relayed, self.relayed_admin = free_ports(4)
        self.start_canary()
        for name in ("dial.map", "slots.map"):
            (self.folder / name).write_text((DEPLOY / name).read_text())
        self.socket = self.folder / "haproxy.sock"
        self.proxy_env = dict(os.environ, PROXY_LISTEN=f"127.0.0.1:{self.port}", PROXY_OPS=f"127.0.0.1:{ops}",
                              PROXY_MAPS=str(self.folder), PROXY_SOCKET=str(self.socket), SMOKE_KEY=SMOKE_KEY,
                              SLOT_A=f"127.0.0.1:{at.port}", SLOT_B=f"127.0.0.1:{self.relayed}")
        self.start("haproxy", "haproxy", "-db", "-f", DEPLOY / "haproxy.cfg", env=self.proxy_env)
        self.tokens = [at.token(f"user-{number}") for number in range(users)]
        (self.folder / "tokens").write_text("\n".join(self.tokens))
        for token in self.tokens:  # each has something to find, because a stream without a result has no first one
            answer, data = at.request("POST", "/api/v1/memory/index",
                                      {"text": "A lighthouse counts ships.", "doc_id": "one"}, token)
            if answer.status != 202:
                raise RuntimeError(data)
        at.wait_documents(users)
        for name, text in (("token", at.token("smoke-one")), ("other", at.token("smoke-two")), ("key", SMOKE_KEY)):
            (self.folder / name).write_text(text)
        at.wait_for(self.lives, 20, "both slots live")

    def start(self, name, *words, env=None):
        with open(self.folder / f"{name}.log", "ab") as log:
            child = subprocess.Popen(list(map(str, words)), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append(child)
        return child

    def through_relay(self, dsn):
        head, _, rest = dsn.partition("@")
        place, _, database = rest.partition("/")
        relayed, = free_ports(1)
        self.start("database-relay", sys.executable, HERE / "relay.py", relayed, place.rpartition(":")[2], self.database_file)
        return {"MEMSEAL__POSTGRES__DSN": f"{head}@127.0.0.1:{relayed}/{database}"}

    def start_canary(self):
        ports = self.folder / "canary-ports"
        ports.unlink(missing_ok=True)
        env = dict(self.at.service_env(), MEMSEAL__RUNTIME__RELEASE="canary", **self.settings)
        self.canary = self.start("canary", self.at.program, "serve", "--no-ingest", "--ports-file", ports, env=env)
        self.at.wait_for(lambda: ports.exists() and len(ports.read_text().split()) == 2, 60, "the canary serves")
        port, admin = ports.read_text().split()
        self.relays = [self.start("relay", sys.executable, HERE / "relay.py", listen, target, self.fault_file)
                       for listen, target in ((self.relayed, port), (self.relayed_admin, admin))]
        self.at.wait_for(lambda: reached(self.relayed) and reached(self.relayed_admin), 20, "the relays listen")

    def restart_canary(self):
        for child in (self.canary, *self.relays):
            child.kill()
            child.wait()
        self.start_canary()
        self.at.wait_for(self.lives, 20, "the canary lives again")

    def fault(self, name):
        for path, word in ((self.fault_file, "none" if name == "slow" else name),
                           (self.database_file, "slow" if name == "slow" else "none")):
            draft = path.with_suffix(".new")
            draft.write_text(word)
            draft.rename(path)

    def ask(self, commands):
        """What HAProxy's runtime API answers."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.socket))
            link.sendall(commands.encode() + b"\n")
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()

    def reset(self):
        """The state of the files, as after a reload."""
        self.fault("none")
        self.ask(";".join(f"set map {self.folder}/{name} {line}" for name in ("dial.map", "slots.map")
                          for line in (DEPLOY / name).read_text().splitlines()))

    def lives(self):
        if not self.socket.exists():
            return False
        rows = [line.split(",") for line in self.ask("show stat -1 2 -1").splitlines()]
        return {row[0]: row[17] for row in rows if row[0].startswith("slot_")} == {"slot_a": "UP", "slot_b": "UP"}

    def load(self, requests_per_s):
        self.answers_file = self.folder / "answers"
        self.loader = self.start("load", sys.executable, HERE / "load.py", self.port, requests_per_s,
                                 self.folder / "tokens", self.answers_file)
        self.at.wait_for(lambda: self.answers(), 20, "users are answered")

    def answers(self, since=0):
        """[time, user, slot, status, ended] of each answer."""
        if not self.answers_file.exists():
            return []
        lines = self.answers_file.read_text().splitlines(keepends=True)
        return [one for one in (json.loads(line) for line in lines if line.endswith("\n")) if one[0] >= since]

    def run_words(self, out, *more):
        """`more`: further options, or others in place of the usual ones."""
        return [self.at.program, "--json", "canary", "run", *last_of("--proxy", self.socket, "--out", out,
                "--stable-url", f"http://127.0.0.1:{self.at.admin_port}",
                "--canary-url", f"http://127.0.0.1:{self.relayed_admin}",
                "--url", f"http://127.0.0.1:{self.port}", "--token-file", self.folder / "token",
                "--other-token-file", self.folder / "other", "--smoke-key-file", self.folder / "key", *more)]

    def status(self):
        return json.loads(self.at.cli("--json", "canary", "status", "--proxy", self.socket).stdout)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()


def last_of(*words):
    """The words without options that are given again later on."""
    groups = []
    for word in words:
        if str(word).startswith("--"):
            groups.append([])
        groups[-1].append(word)
    last = {(group[0], group[1] if group[0] == "--set" else ""): group for group in groups}
    return [word for group in last.values() for word in group]


def journal(out):
    path = Path(out) / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_event(bed, out, event, timeout=60):
    bed.at.wait_for(lambda: any(entry["event"] == event for entry in journal(out)), timeout, f"the controller says {event}")
    return next(entry for entry in journal(out) if entry["event"] == event)
