"""What a run of gpu-check leaves behind, written as it is found, so that a run which is cut off at any
moment leaves all that it had. Standard library only."""
import json
import math
import os
import time
from pathlib import Path


def clean(value):
    """JSON knows no NaN and no infinity: such a number is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(one) for one in value]
    return value


def append(path, text):
    """Adds the text in one write, so that a kill leaves all of it or nothing."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, text.encode(errors="replace"))
        os.fsync(file)
    finally:
        os.close(file)


class Evidence:
    """A folder with results.jsonl (an object a line) and log.txt (what was printed)."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.lines = []

    def elapsed(self):
        return round(time.monotonic() - self.started, 1)

    def say(self, text=""):
        print(text, flush=True)
        append(self.folder / "log.txt", text + "\n")

    def add(self, line):
        self.lines.append(line)
        append(self.folder / "results.jsonl", json.dumps(clean(line)) + "\n")

    def not_measured(self, what, why):
        self.add({"not_measured": what, "why": why})
        self.say(f"  not measured: {what}: {why}")

    def keep(self, name, text):
        """A file of its own, e.g. a tool's output."""
        append(self.folder / name, text)


def read(folder):
    """The lines of a folder, also one whose run was killed."""
    path = Path(folder) / "results.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def summary(lines):
    """(gates that hold, gates that do not, what was not measured, the step that was cut off or None)."""
    gates = [line for line in lines if "gate" in line]
    missing = [f"{line['not_measured']}: {line['why']}" for line in lines if "not_measured" in line]
    begun = [line["step"] for line in lines if line.get("state") == "begins"]
    ended = {line["step"] for line in lines if line.get("state") == "ended"}
    open_step = next((step for step in begun if step not in ended), None)
    return (sum(gate["holds"] for gate in gates), [gate["gate"] for gate in gates if not gate["holds"]],
            missing, open_step)
