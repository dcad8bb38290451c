"""The service under a supervisor: started again whenever it ends, as an orchestrator does it."""
import collections
import signal
import subprocess
import threading
import time
from pathlib import Path

START_AGAIN_S = 0.1
TERM_S = 20  # which is what docs/kafka.md promises in every state
# 1: fenced, or a lasting fault. 2: what it needs is not there at the start. A signal ends a start at once.
EXPECTED = (0, 1, 2, -signal.SIGKILL, -signal.SIGTERM)


class Worker:
    """One member of the consumer group. `note(text)` writes to the log of the run."""

    def __init__(self, at, name, note, instance_id=""):
        self.at, self.name, self.note = at, name, note
        self.env = dict(at.service_env(), MEMSEAL__KAFKA__INSTANCE_ID=instance_id)
        self.log = at.folder / f"{name}.log"
        self.guard = threading.RLock()
        self.child, self.starts, self.peak_kb = None, 0, 0
        self.start_times_s = collections.deque(maxlen=10)
        self.ended = {}  # exit status -> how often
        self.crashes, self.late = [], []
        self.wanted = threading.Event()
        self.supervisor = threading.Thread(target=self.supervise, daemon=True)

    def begin(self):
        self.wanted.set()
        self.supervisor.start()

    def supervise(self):
        while self.wanted.is_set():
            with self.guard:
                self.starts += 1
                self.ports_file = self.at.folder / f"{self.name}.ports.{self.starts}"
                with open(self.log, "ab") as log:
                    self.child = subprocess.Popen([self.at.program, "serve", "--ports-file", str(self.ports_file)],
                                                  env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            status = self.child.wait()
            self.ports_file.unlink(missing_ok=True)
            self.ended[status] = self.ended.get(status, 0) + 1
            if status not in EXPECTED:
                self.crashes.append(f"{self.name}, start {self.starts}, ended with {status}")
                self.note(self.crashes[-1])
            time.sleep(START_AGAIN_S)

    def ports(self):
        """The two ports once the service listens; None before."""
        try:
            text = self.ports_file.read_text().split()
        except (OSError, AttributeError):
            return None
        return tuple(map(int, text)) if len(text) == 2 else None

    def wait_ready(self, seconds):
        begun = time.monotonic()
        while self.ports() is None and time.monotonic() < begun + seconds:
            time.sleep(0.02)
        self.start_times_s.append(time.monotonic() - begun)
        return self.ports() is not None

    def start_s(self):
        """What a start takes on this machine at this time: the quickest of the last ones, because a fault delays one."""
        return min(self.start_times_s, default=0)

    def look_at_memory(self):
        """Keeps the largest resident set that the kernel ever counted of any start."""
        child = self.child
        try:
            for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_kb = max(self.peak_kb, int(line.split()[1]))
        except (OSError, AttributeError):
            pass

    def send(self, number):
        with self.guard:
            if self.child is not None and self.child.poll() is None:
                self.child.send_signal(number)

    def kill(self):
        self.look_at_memory()
        self.send(signal.SIGKILL)

    def term(self, seconds=TERM_S):
        """SIGTERM, which must end the process in time whatever is unavailable."""
        child, begun = self.child, time.monotonic()
        self.send(signal.SIGTERM)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.late.append(f"{self.name} was alive {time.monotonic() - begun:.0f} s after SIGTERM")
            self.note(self.late[-1])
            child.kill()

    def end(self, kill=False):
        """For good. A second time it does nothing."""
        if not self.wanted.is_set():
            return
        self.wanted.clear()
        self.look_at_memory()
        self.send(signal.SIGCONT)
        if kill:
            self.send(signal.SIGKILL)
        else:
            self.term()
        self.supervisor.join()
        with self.guard:
            if self.child.poll() is None:  # started just before the end was wanted
                self.child.kill()
                self.child.wait()
