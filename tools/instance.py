"""One instance of the local stack: a folder that holds the ports, pids, logs and data of its services."""
import contextlib
import fcntl
import os
import pwd
import random
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import Failure, become
from services import Kafka, Postgres, Redis

KINDS = {"postgres": Postgres, "redis": Redis, "kafka": Kafka}
START_SECONDS = 120


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def owner_of(folder):
    number = folder.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        raise Failure(f"{folder} belongs to user id {number}, which has no name here: give another "
                      "--dir.") from None


class Instance:
    """The stack under one folder. Its methods return what `--json` prints."""

    def __init__(self, folder):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            raise Failure(f"cannot make {folder}: give another --dir, or correct the owner of the "
                          "directory above it.") from None
        self.folder = Path(folder).resolve()
        owner = owner_of(self.folder)
        if os.geteuid() == 0 and owner != "root":
            become(owner)  # so that the owner can use the stack again afterwards
        if not os.access(self.folder, os.W_OK):
            raise Failure(f"{self.folder} is {owner}'s: run this as {owner}, have them run "
                          "'scripts/stack reset', or give another --dir.")
        (self.folder / "log").mkdir(mode=0o700, exist_ok=True)
        self.services = {name: kind(self) for name, kind in KINDS.items()}

    # ---------------------------------------------------------------- files

    @contextlib.contextmanager
    def locked(self):
        with open(self.folder / "lock", "w") as file:
            deadline = time.monotonic() + 120
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Failure(f"another scripts/stack has worked on {self.folder} for two "
                                      "minutes: end it, then run this again.") from None
                    time.sleep(0.1)
            yield

    def secret(self, name, text):
        with open(self.folder / name, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        return text

    def password(self, name="password"):
        """A password of this instance's own, made at first use, readable by its owner only: of PostgreSQL's
        superuser; by the name app-password, of the service's role; kafka-password, of its user of Kafka."""
        try:
            text = (self.folder / name).read_text()
        except FileNotFoundError:
            text = ""
        # An older instance gave the service's role the superuser's.
        if name == "app-password" and text == self.password():
            text = ""
        return text or self.secret(name, os.urandom(16).hex())

    def port(self, name):
        """The port that `name` had last; None before the first start."""
        try:
            return int((self.folder / f"{name}.port").read_text())
        except (OSError, ValueError):
            return None

    def choose_port(self, name):
        """Keeps the last port if it is free, so that an address stays good over a restart. A new one
        lies below the ephemeral range, so no client's outgoing connection can hold it."""
        port = self.port(name)
        while port is None or not port_is_free(port):
            port = random.randrange(20000, 30000)
            if port in [self.port(path.stem) for path in self.folder.glob("*.port")]:
                port = None
        (self.folder / f"{name}.port").write_text(f"{port}\n")

    # ---------------------------------------------------------------- commands

    def up(self, names, tell=lambda line: None):
        started = time.monotonic()
        with self.locked():
            self.password()
            for name in names:
                if self.services[name].pid() is None:
                    for port in KINDS[name].PORTS:
                        self.choose_port(port)
            with ThreadPoolExecutor(len(names)) as pool:
                jobs = {name: pool.submit(self.bring_up, name, tell) for name in names}
            errors = [str(job.exception()) for job in jobs.values() if job.exception()]
        if errors:
            raise Failure("\n".join(errors))
        return {"dir": str(self.folder), "seconds": round(time.monotonic() - started, 1),
                "services": {name: job.result() for name, job in jobs.items()}, "env": self.env()}

    def bring_up(self, name, tell):
        service, started = self.services[name], time.monotonic()
        state = "started" if service.pid() is None else "was up"
        try:
            if state == "started":
                service.begin()
            if not service.wait_until(service.answers, START_SECONDS):
                raise Failure(f"{name} does not answer: see {service.log}, then 'scripts/stack reset' "
                              "starts from nothing.")
        except OSError as error:
            raise Failure(f"{name} could not be started: {error}") from error
        except Failure:
            sys.stderr.write(service.last_lines())
            raise
        seconds = round(time.monotonic() - started, 1)
        tell(f"  {name:<9} {state:<8} {service.address():<16} {seconds:5.1f} s")
        return {"state": state, "address": service.address(), "pid": service.pid(), "seconds": seconds}

    def down(self, names):
        started = time.monotonic()
        with self.locked(), ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: self.services[name].halt(), names))
        return {"dir": str(self.folder), "seconds": round(time.monotonic() - started, 1),
                "stopped": list(names)}

    def status(self, names):
        found = {}
        for name in names:
            service = self.services[name]
            pid = service.pid()
            if pid is None:
                found[name] = {"state": "down"}
                continue
            found[name] = {"state": "up" if service.answers() else "silent", "pid": pid,
                           "address": service.address(), "resident_mb": service.resident_mb(pid),
                           "log": str(service.log)}
        return {"dir": str(self.folder), "services": found}

    def env(self):
        """Only what runs is named, so that a test without its service says so."""
        values = {}
        postgres, redis, kafka = (self.services[name] for name in KINDS)
        if postgres.pid():
            values["MEMSEAL_TEST_PG_SUPER"] = postgres.dsn()
        if redis.pid():
            values["MEMSEAL_TEST_REDIS"] = f"redis://{redis.address()}/0"
        if kafka.pid():
            values["MEMSEAL_TEST_KAFKA"] = kafka.address()
            values["MEMSEAL_TEST_KAFKA_SASL"] = kafka.sasl_address()
        values["MEMSEAL_TEST_PG_BIN"] = str(postgres.bin or "")
        values["MEMSEAL_STACK_DIR"] = str(self.folder)
        values["MEMSEAL_STACK_LOG"] = str(self.folder / "log")
        return values

    def settings(self):
        """Writes two files that use the instance: one for the service, and one for the commands of an operator, which
        may do everything in the database. Returns their names and that of the service's password."""
        for name, service in self.services.items():
            if service.pid() is None:
                raise Failure(f"{name} does not run: scripts/stack up first.")
        postgres, redis, kafka = (self.services[name] for name in KINDS)
        kafka.allow("memory.", "memseal", ["memory.upload.v1.dlq", "memory.chat.v1.dlq"])
        service = (f'  dsn: "postgresql://app_user:{self.password("app-password")}@{postgres.address()}/postgres"\n')
        owner = f'  migrate_dsn: "{postgres.dsn()}"\n'
        shared = (f'kafka:\n'
                  f'  brokers: "{kafka.sasl_address()}"\n'
                  f'  properties:\n'
                  + "".join(f'    {name}: "{value}"\n' for name, value in kafka.sasl_properties().items())
                  + f'redis:\n'
                    f'  url: "redis://{redis.address()}/0"\n'
                    f'seal:\n'
                    f'  keyring_file: keyring\n')
        self.secret("memseal.yaml", f"postgres:\n{service}{shared}")
        self.secret("owner.yaml", f"postgres:\n{service}{owner}{shared}")
        return [str(self.folder / name) for name in ("memseal.yaml", "owner.yaml", "app-password")]

    def reset(self):
        self.down(list(KINDS))
        self.services["postgres"].remove_data()
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with contextlib.suppress(PermissionError):  # where the directory above is not the owner's
            self.folder.rmdir()
        return {"dir": str(self.folder), "deleted": True}
