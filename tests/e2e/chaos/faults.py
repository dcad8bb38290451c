"""What is done to the stack and to the consumer group. Each fault begins, lasts, and is healed."""
import contextlib
import os
import signal
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import stack
from harness import psql
from instance import port_is_free
from processes import Process, send, start_time

from .replica import Replica
from .worker import Worker

# How long each fault lasts in seconds: in the short form, and from … to … in the long one.
LASTS = {"postgres_frozen": (1.0, 0.5, 8.0), "postgres_killed": (0.2, 0.0, 3.0),
         "postgres_read_only": (1.5, 0.5, 8.0), "postgres_standby": (1.0, 0.5, 6.0),
         "postgres_fails_over": (0.5, 0.5, 6.0),
         "kafka_frozen": (1.0, 0.5, 12.0), "kafka_killed": (0.0, 0.0, 5.0),
         "redis_frozen": (0.7, 0.5, 5.0), "redis_killed": (0.3, 0.0, 3.0),
         "member_joins": (2.5, 2.0, 8.0), "twin": (2.5, 2.0, 8.0),
         "worker_frozen": (0.7, 0.5, 12.0), "worker_terminated": (0.0, 0.0, 0.0)}


@dataclass(frozen=True)
class Step:
    gap_s: float
    kind: str
    lasts_s: float
    rough: bool  # of the faults that can end in two ways: by SIGKILL


PORTS_S = 20

# Left out of the short form, because it takes the longest; a standby at the same address is in it.
LONG_ONLY = "postgres_fails_over"


def short_form(chance):
    """Every other fault once."""
    kinds = [kind for kind in LASTS if kind != LONG_ONLY]
    chance.shuffle(kinds)
    return [Step(0.2, kind, LASTS[kind][0], False) for kind in kinds]


def long_form(chance):
    while True:
        kind = chance.choice(list(LASTS))
        yield Step(chance.uniform(0.2, 4), kind, chance.uniform(*LASTS[kind][1:]), chance.random() < 0.5)


def gaps_between_kills(chance, short):
    """In the long form one start in seven lives long enough to get through a backlog."""
    while True:
        if short:
            yield chance.uniform(0.15, 1.2)
        else:
            yield chance.uniform(0.1, 0.8) * (1 if chance.random() < 6 / 7 else 5)


def tree_of(pid):
    """The process and its descendants. A process may end meanwhile."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


class Services:
    """PostgreSQL, Kafka and Redis of one folder of scripts/stack."""

    def __init__(self, folder, super_dsn):
        self.folder, self.super = Path(folder), super_dsn
        self.replica = Replica(folder, super_dsn)

    def pid(self, name):
        pid = Process(self.folder / f"{name}.pid", None).pid()
        if pid is None:
            raise RuntimeError(f"{name} does not run")
        return pid

    def signal(self, name, number):
        """To all of a service's processes. It stands still meanwhile, so that it makes no new ones."""
        root = self.pid(name)
        if number != signal.SIGCONT:
            send(root, signal.SIGSTOP)
        pids = tree_of(root)
        for pid in pids:
            send(pid, number)
        return pids

    def kill(self, name):
        for pid in self.signal(name, signal.SIGKILL):
            while start_time(pid) is not None:
                time.sleep(0.01)
        # A process counts as ended when its first thread has ended; the others may still hold its ports, and
        # scripts/stack would choose new ones.
        deadline = time.monotonic() + PORTS_S
        while time.monotonic() < deadline and not all(
                port_is_free(int(path.read_text())) for path in self.folder.glob(f"{name}*.port")):
            time.sleep(0.01)

    def up(self, name):
        stack.call("up", name, folder=self.folder)

    def set_read_only(self, on):
        change = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
        psql(self.super, f"ALTER SYSTEM {change}")
        psql(self.super, "SELECT pg_reload_conf()")

    def come_back_as_standby(self):
        """The same data, in recovery: every session is read-only until the promotion."""
        stack.call("down", "postgres", folder=self.folder)
        data = (self.folder / "postgres").resolve()
        (data / "standby.signal").touch()
        owner = data.stat()
        os.chown(data / "standby.signal", owner.st_uid, owner.st_gid)
        self.up("postgres")

    def with_both_hosts(self, dsn):
        """The DSN, naming the standby's address beside the first server's."""
        address = urllib.parse.urlsplit(dsn)
        both = f"{address.netloc},127.0.0.1:{self.replica.port}"
        return address._replace(netloc=both).geturl()

    def promote(self):
        psql(self.super, "SELECT pg_promote()")


    def restore(self):
        """Everything up and writable, whatever was going on."""
        for name in ("postgres", "kafka", "redis"):
            with contextlib.suppress(RuntimeError):
                self.signal(name, signal.SIGCONT)
            self.up(name)
        if psql(self.super, "SELECT pg_is_in_recovery()") == [["t"]]:
            self.promote()
            psql(self.super, "ALTER SYSTEM RESET primary_conninfo")
        self.set_read_only(False)
        self.replica.kill()


class Faults:
    def __init__(self, at, services, worker, note):
        self.at, self.services, self.worker, self.note = at, services, worker, note
        self.others = []  # members beside the worker, ended or not

    def begin(self, step):
        """Begins the fault. Returns what heals it."""
        return getattr(self, step.kind)(step)

    def frozen(self, name):
        self.services.signal(name, signal.SIGSTOP)
        return lambda: self.services.signal(name, signal.SIGCONT)

    def killed(self, name):
        self.services.kill(name)
        return lambda: self.services.up(name)

    def postgres_frozen(self, _):
        return self.frozen("postgres")

    def postgres_killed(self, _):
        return self.killed("postgres")

    def kafka_frozen(self, _):
        return self.frozen("kafka")

    def kafka_killed(self, _):
        return self.killed("kafka")

    def redis_frozen(self, _):
        return self.frozen("redis")

    def redis_killed(self, _):
        return self.killed("redis")

    def postgres_read_only(self, _):
        self.services.set_read_only(True)
        return lambda: self.services.set_read_only(False)

    def postgres_standby(self, _):
        self.services.come_back_as_standby()
        return self.services.promote

    def postgres_fails_over(self, _):
        """To a standby at another address, which the DSN names too."""
        self.services.replica.switch_over()
        return self.services.replica.switch_back

    def another(self, name, instance_id, rough):
        other = Worker(self.at, f"{name}{len(self.others)}", self.note, instance_id)
        self.others.append(other)
        other.begin()
        other.wait_ready(10)
        return lambda: other.end(kill=rough)

    def member_joins(self, step):
        """Partitions move to a second member and back; when it is killed, after its session."""
        return self.another("member", "", step.rough)

    def twin(self, step):
        """Two processes of one instance id fence each other."""
        return self.another("twin", self.worker.env["MEMSEAL__KAFKA__INSTANCE_ID"], step.rough)

    def worker_frozen(self, _):
        self.worker.send(signal.SIGSTOP)
        return lambda: self.worker.send(signal.SIGCONT)

    def worker_terminated(self, _):
        self.worker.term()
        return lambda: None
