"""What a driver may do that plain C++ does not, each tried in a process of its own. Prints one JSON object a
line. Standard library only.

usage: hazards.py NAME LIBRARY MODEL-DIRECTORY cuda|host
capture    a call fails within a capture; the thread that met it makes a new engine
recovery   the device breaks; this process opens it again, or says that only a restart helps
patience   the first batches of four sizes in a fresh process, with the patience of the service
products   what was chosen for each size of product"""
import json
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from check.library import Failure, Library  # noqa: E402


def tell(**line):
    print(json.dumps(line), flush=True)


class Case:
    def __init__(self, library, directory, device):
        self.library, self.directory, self.device = Library(library), Path(directory), device
        self.words = len((self.directory / "vocab.txt").read_text(encoding="utf8").splitlines())

    def open(self, **options):
        return self.library.open(self.directory, self.device, **{"warm": 0, **options})

    def sequences(self, *lengths):
        draw = random.Random(sum(lengths))
        return [([draw.randrange(5, self.words) for _ in range(length)], length // 2) for length in lengths]


def capture(case):
    pool = case.sequences(20, 33)
    with case.open() as sound:
        wanted = sound.run(pool)
    failing = case.open(fail_capture=2)
    try:
        failing.run(pool)
        tell(gate="a call that fails within a capture", holds=False, found="nothing failed")
        return
    except Failure as failure:
        said = str(failure)
    closing = threading.Thread(target=failing.close)  # as the supervisor does it
    closing.start()
    closing.join()
    with case.open() as fresh:
        got = fresh.run(pool)
    tell(gate="a call that fails within a capture", holds=got == wanted,
         found=f"{said}; the same thread computes again" if got == wanted else f"{said}; then other numbers")


def recovery(case):
    pool = case.sequences(20, 33)
    engine = case.open()
    wanted = engine.run(pool)
    engine.break_device()
    try:
        engine.run(pool)
        found = "it still computes"
    except Failure as failure:
        found = str(failure)
    engine.close()
    broke = found.startswith("lost")
    try:
        with case.open() as fresh:
            works = fresh.run(pool) == wanted
        found += "; opened again, it " + ("computes the same" if works else "computes other numbers")
    except Failure as failure:
        works = str(failure).startswith("restart")
        found += f"; not opened again: {failure}"
    tell(gate="a broken context is reset, or a restart is asked for", holds=broke and works, found=found)


def patience(case):
    """The engine's own defaults, but for what was captured beforehand."""
    began = time.monotonic()
    with case.open() as engine:
        opened_ms = (time.monotonic() - began) * 1e3
        found = []
        for count in (1, 8, 24, 100) if case.device == "cuda" else (1, 8):
            pool = case.sequences(*([min(64, 20 + count)] * count))
            start = time.monotonic()
            try:
                engine.run(pool)
            except Failure as failure:
                tell(gate="first batches within the patience", holds=False, found=f"{count} sequences: {failure}")
                return
            found.append(round((time.monotonic() - start) * 1e3, 1))
    tell(hazard="patience", opened_ms=round(opened_ms, 1), first_ms=found)
    tell(gate="first batches within the patience", holds=True, found=f"{found} ms for batches of several sizes")


def products(case):
    with case.open() as engine:
        for count in (1, 8, 24):
            engine.run(case.sequences(*([40] * count)))
        tell(products=engine.products())


if __name__ == "__main__":
    {"capture": capture, "recovery": recovery, "patience": patience, "products": products}[sys.argv[1]](
        Case(*sys.argv[2:5]))
