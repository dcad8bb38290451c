#!/usr/bin/env python3
"""Checks the GPU engine on a machine that has a GPU, and times it against what others make of it.

    scripts/gpu-check               everything: build, kernels against their twins, compute-sanitizer,
                                    both model shapes against double precision, then the timing
    scripts/gpu-check --only ID…    timing of these alone: w1 … w6, embed, or an id of bench/README.md
    scripts/gpu-check --quick       fewer lengths and calls; writes no result file
    scripts/gpu-check --budget S    seconds for all of it (540)
    scripts/gpu-check --pack        where scripts/deps has run: puts what a bare GPU machine lacks into
                                    build/gpu-carry (Boost headers, GoogleTest, the vocabulary)
    scripts/gpu-check --rehearse    without a GPU: the same script with the kernels' twins and PyTorch on
                                    the CPU, small; measures nothing and writes nothing

The GPU machine needs CUDA 13, CMake, g++, PyTorch, transformers and sentence-transformers, the checkout
and build/gpu-carry. The last thing printed is the table; figures go to bench/results/. Exit status: 0
all gates hold, 1 one does not, 2 usage, 3 no GPU here or something to build with is missing.
"""
import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernels"))
from check import build, report, workloads  # noqa: E402

# Published rates of the GPU for which the predictions were made; the table uses measured ones.
PREDICTED_FLOPS, PREDICTED_BANDWIDTH = 790e12, 4.3e12
# (id, our p50 in microseconds at most, our time over the rival's at most)
TARGETS = (("rerank_gpu_w1", 80, 1 / 1.3), ("rerank_gpu_w2", None, 1 / 2), ("rerank_gpu_mini", 500, None),
           ("embed_gpu", None, 1 / 2))
COMPILING_S = 110  # torch.compile is not begun with less left


def say(text=""):
    print(text, flush=True)


class Clock:
    def __init__(self, budget):
        self.end = time.monotonic() + budget

    def left(self):
        return self.end - time.monotonic()


def arguments(words):
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rehearse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, default=540, metavar="S", help=argparse.SUPPRESS)
    parser.add_argument("--lines", action="store_true", help=argparse.SUPPRESS)  # scripts/bench reads these
    return parser.parse_args(words)


def chosen(only):
    """The workloads that were asked for; exits on an unknown one."""
    every = workloads.workloads()
    if not only:
        return every
    some = [one for one in every if set(only) & {one.id, one.id.split("_")[0], one.figure}]
    known = {name for one in every for name in (one.id, one.id.split("_")[0], one.figure) if name}
    unknown = [name for name in only if name not in known]
    if unknown:
        say(f"gpu-check: unknown {' '.join(unknown)}; known: {' '.join(sorted(known))}")
        sys.exit(2)
    return some


def predict(some):
    say("Predicted before anything ran: least time at 790 TFLOP/s and 4.3 TB/s, each kernel bound by one of them")
    rows = []
    for work in some:
        first_only = not work.embeds
        flops, moved = workloads.totals(work.shape, work.lengths, first_only)
        rows.append({"title": work.says, "tokens": sum(work.lengths), "gflop": flops / 1e9, "mb": moved / 1e6,
                     "floor": workloads.floor_us(work.shape, work.lengths, PREDICTED_FLOPS,
                                                 PREDICTED_BANDWIDTH, first_only)})
    say(report.table(rows, [("workload", "title", ""), ("tokens", "tokens", "d"), ("GFLOP", "gflop", ".2f"),
                            ("MB", "mb", ".1f"), ("us", "floor", ".1f")]))


def check_models(some, library, device, torch_device, folder, gates, clock, options, quick, gate):
    """A Checked for every model that is measured or, with `gate`, of both shapes and kinds."""
    from check.checks import Checked
    wanted = {(one.shape, one.embeds) for one in some}
    if gate:
        wanted |= {(shape, embeds) for shape in (workloads.TINY, workloads.MINI) for embeds in (False, True)}
    if device == "host":
        wanted = {one for one in wanted if one[0] is workloads.TINY}
    checked = {}
    for shape, embeds in sorted(wanted, key=lambda one: (one[0].hidden, one[1])):
        model = checked[shape, embeds] = Checked(library, device, shape, embeds, folder, build.vocabulary(),
                                                 torch_device, options)
        info = model.engine.info()
        say(f"{model.name}: {info['device_bytes'] / 1e6:.0f} MB on the device, {info['captures']} graphs at start")
        if gate:
            model.check_all(gates, quick)
        say(f"  {clock.left():.0f} s left")
    return checked


def measure(some, checked, clock, ceilings, quick, vocabulary):
    """Every workload in turn; what the budget does not allow is said."""
    from check import rivals
    from check.measure import Measured
    done = []
    for number, work in enumerate(some):
        share = min(30.0, max(0.0, (clock.left() - 60) / (len(some) - number)))
        if share < 2:
            say(f"  note   {work.says}: no time left within the budget")
            continue
        one = Measured(work, checked[work.shape, work.embeds], ceilings, say)
        kinds = [rivals.Captured, rivals.Sdpa]
        captured = one.run(share * 0.6 if not quick else 2, kinds, runs_min=100 if quick else 1000)
        if work.figure in ("rerank_gpu_w1", "rerank_gpu_w2", "rerank_gpu_mini"):
            one.from_texts(min(6, share * 0.25), vocabulary, runs_min=30 if quick else 300)
            one.throughput(0.5, captured)
        done.append(one)
        say(report.table(one.rows, report.COLUMNS))
    return done


def compiled(one, clock):
    """torch.compile on the same workload, in turns with ours: one more row. Compiling takes its
    time, so it comes last, and only where a figure is."""
    from check import rivals
    from check.measure import Measured
    again = Measured(one.work, one.checked, (one.flops, one.bandwidth), say)
    again.run(min(5, clock.left() / 8), [rivals.Compiled])
    for row in again.rows[1:]:
        one.rows.append(row)
    one.lines += [line for line in again.lines if line["contender"] != "memseal"]


def figures(done, machine, capability, date):
    """The lines of bench/README.md's shape, of the workloads that have an id there."""
    from check import rivals
    lines = []
    for one in done:
        ours, rival = one.p50("memseal"), one.p50(rivals.Captured.name)
        if one.work.figure and rival is not None:
            lines.append(report.figure(one.work.figure, ours, rival, rivals.Captured.name, machine, capability,
                                       one.rows[0]["runs"], date))
    return lines


def judge_targets(lines):
    """Targets are reported and fail nothing: a figure is never a test."""
    for id, ours_us, ratio in TARGETS:
        for line in lines:
            if line["id"] != id:
                continue
            if ours_us is not None:
                say(f"  target {id}: {line['ours']:.1f} us of {ours_us} us, "
                    f"{'met' if line['ours'] <= ours_us else 'MISSED'}")
            if ratio is not None:
                say(f"  target {id}: {1 / line['ratio']:.2f} x the rival's speed, {1 / ratio:.1f} x wanted, "
                    f"{'met' if line['ratio'] <= ratio else 'MISSED'}")


def conclude(gates):
    failures = gates.failures()
    for failure in failures:
        say(f"gpu-check: this gate does not hold: {failure}")
    if not failures:
        say(f"gpu-check: all {len(gates.results)} gates hold")
    return 1 if failures else 0


def on_the_gpu(given, gpu):
    import torch
    clock, date = Clock(given.budget), report.now()
    gates = report.Gates(say)
    some = chosen(given.only)
    predict(some)
    if not torch.cuda.is_available():
        say("gpu-check: there is a GPU, but PyTorch cannot use it")
        return 3
    say(f"building for {gpu['name']}, {build.architectures(gpu['capability'])}")
    folder = build.build(gpu["capability"])
    say(f"  built, {clock.left():.0f} s left")
    if not given.only:
        build.kernel_tests(folder, gates, 180)
        build.sanitize(folder, gates, 25 if given.quick else 60)
    from check.library import Library
    from check import rivals
    library = Library(folder / "libmemseal_gpu_check.so")
    with tempfile.TemporaryDirectory() as models:
        checked = check_models(some, library, "cuda", "cuda", Path(models), gates, clock, {}, given.quick,
                               not given.only)
        ceilings = rivals.ceilings()
        say(f"measured here: {ceilings[0] / 1e12:.0f} TFLOP/s, {ceilings[1] / 1e12:.2f} TB/s")
        done = measure(some, checked, clock, ceilings, given.quick, build.vocabulary())
        machine = f"{gpu['name']}, driver {gpu['driver']}"
        about = {"machine": machine, "torch": torch.__version__, "flops": ceilings[0],
                 "bytes_per_second": ceilings[1], "date": date, "commit": commit()}
        lines = figures(done, machine, gpu["capability"], date)
        keeps = not given.quick and not given.only
        if keeps:
            keep(gpu, date, lines, about, gates, done)
        for one in done:
            if one.work.figure and not given.quick and clock.left() > COMPILING_S:
                compiled(one, clock)
        if keeps:
            say(f"figures: {keep(gpu, date, lines, about, gates, done).relative_to(ROOT)}")
        for one in checked.values():
            one.engine.close()
    if given.lines:
        for line in lines:
            print("line " + json.dumps(line), flush=True)
    judge_targets(lines)
    say(report.table([row for one in done for row in one.rows], report.COLUMNS))
    return conclude(gates)


def keep(gpu, date, lines, about, gates, done):
    """Writes the result file again after each step that added to it."""
    path = ROOT / "bench/results" / report.result_name(gpu["name"], date)
    report.write_lines(path, [*lines, about, *gates.results, *(line for one in done for line in one.lines)])
    return path


def commit():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return "unknown"


def rehearse(given):
    """Everything that needs no GPU, small."""
    from check import rivals
    from check.library import Library
    from check.measure import Measured
    gates, clock = report.Gates(say), Clock(given.budget)
    predict(workloads.workloads())
    library = Library(build.build() / "libmemseal_gpu_check.so")
    options = {"warm": 0, "patience_ms": 600_000}
    small = [workloads.Workload("rehearsal", "rehearsal", workloads.TINY, (40, 9, 64, 33)),
             workloads.Workload("rehearsal_embed", "rehearsal embed", workloads.TINY, (20, 64, 7), True)]
    with tempfile.TemporaryDirectory() as models:
        checked = check_models(small, library, "host", "cpu", Path(models), gates, clock, options, True, True)
        done = []
        for work in small:
            one = Measured(work, checked[work.shape, work.embeds], (PREDICTED_FLOPS, PREDICTED_BANDWIDTH), say)
            one.run(1, [rivals.Sdpa], "cpu", 20)
            if not work.embeds:
                one.from_texts(1, build.vocabulary(), "cpu", 10)
                one.throughput(0.1, None, (1, 4))
            done.append(one)
        report.write_lines(Path(models) / "lines.json", [line for one in done for line in one.lines] + gates.results)
        for one in checked.values():
            one.engine.close()
    say(report.table([row for one in done for row in one.rows], report.COLUMNS))
    say("a rehearsal: these times are those of a CPU that plays the GPU, and mean nothing")
    return conclude(gates)


def main(words):
    given = arguments(words)
    try:
        if given.pack:
            say(f"build/gpu-carry: {build.pack() / 1e6:.1f} MB")
            return 0
        if given.rehearse:
            return rehearse(given)
        chosen(given.only)
        gpu = build.find_gpu()
        if gpu is None:
            say("gpu-check: there is no NVIDIA GPU here that this process may use: nothing was checked")
            return 3
        return on_the_gpu(given, gpu)
    except build.Missing as missing:
        say(f"gpu-check: {missing}")
        return 3
    except ImportError as error:
        say(f"gpu-check: this Python lacks a library: {error}")
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
