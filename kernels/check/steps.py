"""Steps in their own try and with their own time, programs whose whole process group ends with them, and
a process for PyTorch that can be ended and started again. Standard library only."""
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEP_MIN_S = 2  # A step is not begun with less left.
# Otherwise a look-up of a name may hang where there is no network.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1",
           "TOKENIZERS_PARALLELISM": "false"}
_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _ends_with_its_parent():
    """In the child: the kernel kills it when gpu-check itself is killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(words, env=None, **more):
    """A program in a process group of its own, without a network's names."""
    return subprocess.Popen([str(word) for word in words], cwd=ROOT, start_new_session=True,
                            preexec_fn=_ends_with_its_parent, env={**os.environ, **OFFLINE, **(env or {})}, **more)


def end(process):
    """Kills a program with all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(words, timeout=None, env=None):
    """(exit status, standard output and error together); 124 when it took too long."""
    try:
        process = start(words, env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        return 127, str(error)
    try:
        said = process.communicate(timeout=timeout)[0]
        return process.returncode, said.decode(errors="replace")
    except subprocess.TimeoutExpired:
        end(process)
        said = process.communicate()[0]
        return 124, said.decode(errors="replace") + f"\nended after {timeout:.0f} s"
    finally:
        if process.poll() is None:
            end(process)


class Steps:
    """Runs one step after the other. No step can end the run, and none goes beyond the budget."""

    def __init__(self, evidence, budget):
        self.evidence, self.until = evidence, time.monotonic() + budget

    def left(self):
        return self.until - time.monotonic()

    def run(self, name, seconds, work):
        """work(seconds) gets the time that it may take; returns what it returns, or None."""
        seconds = min(seconds, self.left())
        if seconds < STEP_MIN_S:
            return self.evidence.not_measured(name, "no time left within the budget")
        self.evidence.say(f"{name} ({self.left():.0f} s left)")
        self.evidence.add({"step": name, "state": "begins", "at_s": self.evidence.elapsed()})
        result = None
        try:
            result = work(seconds)
        except Exception as error:  # whatever it is, the steps after it have their own value
            self.evidence.not_measured(name, first_line(error))
        self.evidence.add({"step": name, "state": "ended", "at_s": self.evidence.elapsed()})
        return result


def first_line(error):
    text = (str(error).splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {text}" if not isinstance(error, Unable) else text


class Unable(RuntimeError):
    """A sentence that says why a step measured nothing."""


class Worker:
    """The process that holds PyTorch and our engines. A step that hangs costs itself alone: the process is
    killed, and the next step gets a new one."""

    def __init__(self, words, evidence, on_message):
        self.words, self.evidence, self.on_message = words, evidence, on_message
        self.process, self.answers, self.unusable = None, queue.Queue(), None

    def begin(self):
        """Starts it, so that it imports its libraries while others work."""
        if self.process is not None and self.process.poll() is None:
            return
        log = open(self.evidence.folder / "worker.log", "ab")
        self.process = start(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        log.close()
        self.answers = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, self.answers), daemon=True).start()

    @staticmethod
    def _read(process, answers):
        for line in process.stdout:
            answers.put(line)
        answers.put(None)

    def ask(self, step, seconds, **given):
        """Has it do a step, and passes on what it finds. Throws Unable when it measured nothing."""
        if self.unusable:
            raise Unable(self.unusable)
        self.begin()
        until = time.monotonic() + seconds
        try:
            self.process.stdin.write((json.dumps({"step": step, "seconds": seconds, **given}) + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            pass  # its end is seen below
        while True:
            try:
                line = self.answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                self.close()
                raise Unable(f"it did not end within {seconds:.0f} s and was killed") from None
            if line is None:
                status = self.process.wait()
                self.close()
                raise Unable(f"its process ended with status {status}; worker.log has its last words")
            message = json.loads(line)
            if "end" not in message:
                self.on_message(message)
            elif message["failed"] is None:
                return message.get("result")
            else:
                if message.get("unusable"):
                    self.unusable = message["failed"]
                raise Unable(message["failed"])

    def close(self):
        if self.process is not None:
            end(self.process)
            self.process.stdout.close()
            try:
                self.process.stdin.close()
            except OSError:
                pass  # what it did not read is lost with it
            self.process = None


def serve(steps, make_state):
    """The worker's side: reads a step a line, answers with messages, ends with its input."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print is no message.

    def send(message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    state = None
    for line in sys.stdin:
        asked = json.loads(line)
        ended = {"end": asked.pop("step"), "failed": None}
        try:
            state = state or make_state(send)
            ended["result"] = steps[ended["end"]](state, **asked)
        except ImportError as error:
            ended.update(failed=f"this Python lacks a library: {error}", unusable=True)
        except Exception as error:
            ended["failed"] = first_line(error)
        send(ended)
