"""The process of gpu-check that holds PyTorch, our engines and the rivals. It is asked for steps a line
each (steps.py), and answers with gates, rows and lines as they are found.

usage: worker.py cuda|host MODELS-FOLDER [quick]"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from check import build, report, workloads  # noqa: E402
from check.steps import serve  # noqa: E402

SHAPES = {shape.name: shape for shape in (workloads.TINY, workloads.MINI)}
# The least that tells whether numbers are right, and the rest.
FIRST_GATES, OTHER_GATES = ("lengths", "batches", "poison"), ("edges", "texts", "plain", "together", "top")


class State:
    def __init__(self, send, device, folder, quick):
        self.send, self.device, self.folder, self.quick = send, device, Path(folder), quick
        self.torch_device = "cuda" if device == "cuda" else "cpu"
        self.gates = report.Gates(self.say, send)
        self.opened, self.library, self.rates, self.captured = {}, None, None, {}

    def say(self, text):
        self.send({"say": text})

    def checked(self, shape, embeds):
        """The model, its engine and its reference; made when it is first wanted."""
        from check.checks import Checked
        from check.library import Library
        if self.library is None:
            self.library = Library(build.library())
        if (shape, embeds) not in self.opened:
            # The twins of a host device take minutes for what a GPU computes in microseconds.
            options = {"warm": 0, "patience_ms": 600_000, "hang_ms": 600_000} if self.device == "host" else {}
            self.opened[shape, embeds] = Checked(self.library, self.device, shape, embeds, self.folder,
                                                 build.vocabulary(), self.torch_device, options)
        return self.opened[shape, embeds]

    def workload(self, id):
        every = workloads.workloads() if self.device == "cuda" else workloads.rehearsal()
        return next(work for work in every if work.id == id)


def prepare(state, seconds, shapes):
    """Imports what takes long, and writes the models, while the build runs."""
    import torch
    import transformers
    from check import models
    state.say(f"  PyTorch {torch.__version__}, transformers {transformers.__version__}")
    state.send({"torch": torch.__version__, "transformers": transformers.__version__})
    for name, embeds in shapes:
        models.make(SHAPES[name], not embeds, models.directory_of(state.folder, SHAPES[name], embeds),
                    build.vocabulary(), 4)


def open_engine(state, seconds, shape, embeds):
    one = state.checked(SHAPES[shape], embeds)
    info = one.engine.info()
    state.send({"engine": one.name, **info})
    state.say(f"  {one.name}: {info['device_bytes'] / 1e6:.0f} MB on the device, {info['captures']} graphs at start")


def gates(state, seconds, shape, embeds, which):
    state.checked(SHAPES[shape], embeds).check(which, state.gates, state.quick)


def ceilings(state, seconds):
    from check import rivals
    state.rates = rivals.ceilings()
    state.send({"flops": state.rates[0], "bytes_per_second": state.rates[1]})
    state.say(f"  {state.rates[0] / 1e12:.0f} TFLOP/s, {state.rates[1] / 1e12:.2f} TB/s")


def measured(state, id):
    from check.measure import Measured
    work = state.workload(id)
    rates = state.rates or workloads.PREDICTED  # where the ceilings could not be measured
    return Measured(work, state.checked(work.shape, work.embeds), rates, state.say, state.send)


def time(state, seconds, id, kinds, runs):
    from check import rivals
    one = measured(state, id)
    one.run(0.6 * seconds, [rivals.KINDS[kind] for kind in kinds], state.torch_device, runs)
    one.device_time(min(200, runs))
    state.say(report.table(one.rows, report.COLUMNS))


def texts(state, seconds, id, runs):
    one = measured(state, id)
    one.from_texts(0.6 * seconds, build.vocabulary(), state.torch_device, runs)
    state.say(report.table(one.rows, report.COLUMNS))


def throughput(state, seconds, id, callers):
    measured(state, id).throughput(min(0.5, seconds / 10), state.torch_device, callers)


def profile(state, seconds, id, calls):
    from check import rivals
    one = measured(state, id)
    rows = rivals.kernels_of(lambda: one.checked.engine.time(one.sets[0], calls), calls)
    for row in rows:
        state.send({"workload": id, **row})
    state.say(report.table(rows, report.KERNEL_COLUMNS))
    if not rows:
        raise RuntimeError("the profiler saw no kernel")


def busy(state, seconds, for_s):
    """Keeps the GPU busy, as another process might."""
    import time as clock
    import torch
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    until = clock.monotonic() + for_s
    while clock.monotonic() < until:
        for _ in range(50):
            a @ a
        torch.cuda.synchronize()


STEPS = {"busy": busy, "prepare": prepare, "open": open_engine, "gates": gates, "ceilings": ceilings, "time": time, "texts": texts,
         "throughput": throughput, "profile": profile}

if __name__ == "__main__":
    serve(STEPS, lambda send: State(send, sys.argv[1], sys.argv[2], "quick" in sys.argv[3:]))
