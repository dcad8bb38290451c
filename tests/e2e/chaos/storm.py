"""Kills and faults while producers write; then quiet, and the checker."""
import collections
import json
import random
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import faults, history
from .checker import check
from .events import Workload
from .producer import ApiWriter, Producer
from .worker import Worker

USUAL_START_S = 0.4
READY_S = 2  # a start during a fault may take longer; then the next kill hits it unready
LOOK_S = 0.25
SETTLE_S = 90  # without progress, after the storm; then what is missing counts as lost
USERS = [f"user{number}" for number in range(8)]


@dataclass
class Plan:
    kills: int = 1000
    seconds: float = 0  # 0: as long as the kills take
    seed: int = 0
    short: bool = False  # every fault once, for the tests

    def chance(self, part):
        return random.Random(f"{self.seed}/{part}")


class Pulse:
    """Watches how many events are stored: how long nothing is, though all that is needed runs."""

    def __init__(self, dsn, sent):
        self.dsn, self.sent = dsn, sent
        self.stored, self.since, self.active = 0, time.monotonic(), 0
        self.longest_s, self.longest_after, self.last_healed = 0.0, "", "start"

    def look(self):
        count = history.stored_events(self.dsn)
        now = time.monotonic()
        if not self.active and now - self.since > self.longest_s and self.stored < self.sent():
            self.longest_s, self.longest_after = now - self.since, self.last_healed
        if count is not None and count > self.stored:
            self.stored, self.since = count, now
        elif self.stored >= self.sent() or self.active:
            self.since = now

    def begin(self):
        self.active += 1

    def heal(self, kind):
        self.active -= 1
        self.last_healed, self.since = kind, time.monotonic()


class Storm:
    """`at` is a Deployment that does not run yet; `folder` keeps the logs."""

    def __init__(self, at, services, plan, folder):
        self.at, self.plan, self.folder = at, plan, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.timeline = open(self.folder / "timeline.log", "w")
        self.begun = time.monotonic()
        at.env["MEMSEAL__POSTGRES__DSN"] = services.with_both_hosts(at.env["MEMSEAL__POSTGRES__DSN"])
        self.worker = Worker(at, "worker", self.note, "worker-1")
        self.faults = faults.Faults(at, services, self.worker, self.note)
        self.producer = Producer(at, Workload(plan.chance("events"), USERS), plan.chance("producer"),
                                 300 if plan.short else 1500, lambda: self.pulse.stored)
        self.api = ApiWriter(at, self.worker)
        self.pulse = Pulse(at.owner, lambda: len(self.producer.acknowledged) + len(self.api.accepted))
        self.kills, self.by_kind, self.broken = 0, collections.Counter(), []
        self.done = threading.Event()
        self.quiet = threading.Event()

    def note(self, text):
        self.timeline.write(f"{time.monotonic() - self.begun:8.2f} {text}\n")
        self.timeline.flush()

    # ---------------------------------------------------------------- the storm

    def blow(self):
        self.worker.begin()
        if not self.worker.wait_ready(30):
            raise RuntimeError(f"serve did not start: see {self.worker.log}")
        self.producer.begin()
        self.api.begin()
        threads = [threading.Thread(target=self.guarded, args=(work,), daemon=True)
                   for work in (self.run_faults, self.run_kills, self.watch)]
        for thread in threads:
            thread.start()
        for thread in threads[:2]:
            thread.join()
        self.producer.end()
        self.api.end()
        self.storm_s = time.monotonic() - self.begun
        self.note("quiet")
        if self.broken:
            raise RuntimeError(f"{'; '.join(self.broken)}: see {self.folder}")
        self.settle()
        self.quiet.set()
        threads[2].join()

    def guarded(self, work):
        try:
            work()
        except Exception as error:  # the run has failed, but ends as it should
            self.broken.append(f"{work.__name__}: {error!r}")
            self.note(self.broken[-1])
            self.done.set()

    def over(self):
        return self.done.is_set() or 0 < self.plan.seconds < time.monotonic() - self.begun

    def run_kills(self):
        for gap in faults.gaps_between_kills(self.plan.chance("kills"), self.plan.short):
            if self.kills >= self.plan.kills or self.over():
                break
            # On a slow machine later, so that some starts get as far as storing.
            time.sleep(gap * max(1, self.worker.start_s() / USUAL_START_S))
            self.worker.kill()
            self.kills += 1
            self.note(f"kill {self.kills}")
            self.worker.wait_ready(READY_S)
        if not self.plan.short:
            self.done.set()

    def run_faults(self):
        chance = self.plan.chance("faults")
        for step in faults.short_form(chance) if self.plan.short else faults.long_form(chance):
            if self.over():
                break
            time.sleep(step.gap_s)
            self.note(f"{step.kind} begins")
            self.pulse.begin()
            try:
                heal = self.faults.begin(step)
                time.sleep(step.lasts_s)
                heal()
            except Exception:
                self.faults.services.restore()
                raise
            finally:
                self.pulse.heal(step.kind)
            self.by_kind[step.kind] += 1
            self.note(f"{step.kind} healed")

    def watch(self):
        shown = 0
        while not self.quiet.wait(LOOK_S):
            self.worker.look_at_memory()
            self.pulse.look()
            every = 0.5 if sys.stderr.isatty() else 60
            if not self.plan.short and time.monotonic() - shown >= every:
                shown = time.monotonic()
                self.show()

    def show(self):
        text = (f"{time.monotonic() - self.begun:5.0f} s: {self.kills} kills, {sum(self.by_kind.values())} faults, "
                f"{len(self.producer.acknowledged)} events, {self.pulse.stored} stored, longest recovery "
                f"{self.pulse.longest_s:.1f} s")
        begin, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
        print(begin + text, end=end, file=sys.stderr, flush=True)

    # ---------------------------------------------------------------- what is left of it

    def settle(self):
        """Until everything is stored, or nothing moves any more."""
        begun = moved = time.monotonic()
        before = None
        self.sent = history.read_history(self.at, self.producer.acknowledged, self.api.accepted)
        while True:
            self.stored = self.read()
            problems = check(self.sent, self.stored).problems()
            if not problems:
                break
            now = len(self.stored.ledger), len(self.stored.letters)
            moved = moved if now == before else time.monotonic()
            before = now
            if time.monotonic() - moved > SETTLE_S:
                break
            time.sleep(0.5 + len(self.sent.records) / 20_000)
        self.settled_s = time.monotonic() - begun

    def read(self):
        return history.read_stored(self.at, self.sent, self.api.USERS)

    def judge(self):
        """Reads the texts too. The worker runs still."""
        if not self.worker.wait_ready(30):
            self.broken.append("the worker does not start any more")
        else:
            self.at.port, self.at.admin_port = self.worker.ports()
            history.read_texts(self.at, self.sent, self.stored, 150 if self.plan.short else 1000)
        self.verdict = check(self.sent, self.stored)
        workers = [self.worker, *self.faults.others]
        self.broken += [text for worker in workers for text in worker.crashes + worker.late]
        return self.report()

    def report(self):
        verdict = self.verdict
        events = {event.id: event for _, _, _, event in self.sent.records}
        line = {"id": "chaos", "ok": not (verdict.problems() or self.broken), "seed": self.plan.seed,
                "seconds": round(self.storm_s), "sent": len(events) + len(self.sent.operations),
                "by_api": len(self.sent.operations), "api_refused": self.api.refused,
                "stored": sum(state == "succeeded" for state, _, _ in self.stored.ledger.values()),
                "lost": len(verdict.lost), "doubled": len(verdict.doubled), "order": len(verdict.order),
                "letters": len(set(self.stored.letters)), "wrong_letters": len(verdict.wrong_letters),
                "refused": sum(event.bad for event in events.values()),
                "repeated": len(self.sent.records) - len(events), "kills": self.kills,
                "faults": dict(sorted(self.by_kind.items())), "broken": len(self.broken),
                "longest_recovery_s": round(self.pulse.longest_s, 1),
                "longest_recovery_after": self.pulse.longest_after,
                "settled_s": round(self.settled_s, 1), "peak_memory_mib": round(self.worker.peak_kb / 1024),
                "log": str(self.folder)}
        problems = verdict.problems() + self.broken
        (self.folder / "problems.txt").write_text("".join(f"{text}\n" for text in problems))
        (self.folder / "report.json").write_text(json.dumps(line) + "\n")
        return line, problems

    def end(self, kill=False):
        """Also of a run that was interrupted in the middle of a fault."""
        interrupted = not self.quiet.is_set()
        self.done.set()
        self.producer.stopping.set()
        self.api.stopping.set()
        for worker in (self.worker, *self.faults.others):
            worker.end(kill or interrupted)
        if interrupted:
            self.faults.services.restore()
        self.timeline.close()
        for file in self.at.folder.glob("*.log"):
            shutil.move(file, self.folder / file.name)
