#!/usr/bin/env python3
"""Checks the GPU engine on a machine that has a GPU, and times it against what others make of it.

    scripts/gpu-check               everything, the most telling first: build, kernels against their twins,
                                    the first gates, the figures, a table of the kernels, what a driver may
                                    do, the other gates, compute-sanitizer, the other workloads
    scripts/gpu-check --out DIR     where to write results.jsonl and log.txt (build/gpu-check); each step
                                    adds to them at once, so a run that is cut off leaves what it found
    scripts/gpu-check --only ID…    timing of these alone: w1 … w6, embed, or an id of bench/README.md
    scripts/gpu-check --quick       fewer lengths and calls; writes no result file
    scripts/gpu-check --budget S    seconds for all of it (540, the most)
    scripts/gpu-check --pack        where scripts/deps has run: puts what a bare GPU machine lacks into
                                    build/gpu-carry (Boost headers, GoogleTest, the vocabulary)
    scripts/gpu-check --rehearse    without a GPU: the same script with the kernels' twins and, where there
                                    is one, PyTorch on the CPU, small; measures nothing

The GPU machine needs CUDA 13, CMake, g++, PyTorch, transformers and sentence-transformers, the checkout
and build/gpu-carry. The last thing printed is the table; figures go to bench/results/ too. Exit status: 0
all gates hold, 1 one does not or none was decided, 2 usage, 3 no GPU here or something to build with is
missing.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernels"))
from check import build, report, steps, workloads  # noqa: E402
from check.evidence import Evidence, summary  # noqa: E402
from check.worker import FIRST_GATES, OTHER_GATES  # noqa: E402

BUDGET_MAX_S = 540
# (id, our p50 in microseconds at most, our time over the rival's at most)
TARGETS = (("rerank_gpu_w1", 80, 1 / 2), ("rerank_gpu_w2", None, 1 / 3), ("rerank_gpu_mini", 500, 1 / 2),
           ("embed_gpu", None, 1 / 2))
FIGURES_FIRST = ("w1_tinybert", "w1_minilm", "w2_tinybert", "embed_minilm")
RIVAL, ALONE = "SDPA fp16 in a CUDA graph", "memseal, alone"
TINY, MINI = workloads.TINY.name, workloads.MINI.name


def arguments(words):
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rehearse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, default=BUDGET_MAX_S, metavar="S", help=argparse.SUPPRESS)
    parser.add_argument("--out", metavar="DIR", default=str(ROOT / "build/gpu-check"), help=argparse.SUPPRESS)
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
        print(f"gpu-check: unknown {' '.join(unknown)}; known: {' '.join(sorted(known))}")
        sys.exit(2)
    return some


def predict(some, say):
    say("Predicted before anything ran: least time at 790 TFLOP/s and 4.3 TB/s, each kernel bound by one of them")
    rows = []
    for work in some:
        first_only = not work.embeds
        flops, moved = workloads.totals(work.shape, work.lengths, first_only)
        rows.append({"title": work.says, "tokens": sum(work.lengths), "gflop": flops / 1e9, "mb": moved / 1e6,
                     "floor": workloads.floor_us(work.shape, work.lengths, *workloads.PREDICTED, first_only)})
    say(report.table(rows, [("workload", "title", ""), ("tokens", "tokens", "d"), ("GFLOP", "gflop", ".2f"),
                            ("MB", "mb", ".1f"), ("us", "floor", ".1f")]))


class Run:
    """One run: the folder it writes, its steps, and the process with PyTorch."""

    def __init__(self, given, device, models):
        self.given, self.device, self.models = given, device, Path(models)
        self.evidence = Evidence(given.out)
        self.steps = steps.Steps(self.evidence, min(given.budget, BUDGET_MAX_S))
        self.gates = report.Gates(self.evidence.say, self.evidence.add)
        words = [sys.executable, "-u", ROOT / "kernels/check/worker.py", device, self.models]
        self.worker = steps.Worker(words + (["quick"] if given.quick or given.rehearse else []), self.evidence,
                                   self.heard)

    def heard(self, message):
        if "say" in message:
            self.evidence.say(message["say"])
            return
        if "gate" in message:
            self.gates.results.append(message)
        self.evidence.add(message)

    def ask(self, name, seconds, step, **given):
        """A step of the worker's."""
        self.steps.run(name, seconds, lambda time: self.worker.ask(step, time, **given))

    def hazard(self, name, seconds, *words):
        """A step in a process of its own, which may break what it likes; returns its lines."""
        status, said = steps.run([sys.executable, ROOT / "kernels/check/hazards.py", name, build.library(),
                                  self.model_directory(), self.device, *words], seconds)
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        for line in lines:
            if "gate" in line:
                self.gates.check(line["gate"], line["holds"], line["found"])
            else:
                self.evidence.add({"hazard": name, **line})
        if status != 0:
            self.evidence.keep("programs.log", f"hazards.py {name}\n{said}\n")
            raise steps.Unable(f"its process ended with status {status}: {(said.splitlines() or [''])[-1][:200]}")
        return lines

    def model_directory(self):
        """A model of the real shape where PyTorch wrote one, else a small one."""
        real = self.models / f"{TINY}-cross"
        if (real / "vocab.txt").exists() and self.device == "cuda":
            return real
        from check.tiny_bert import TinyBert
        small = self.models / "small"
        if not small.exists():
            TinyBert(True).save(small)
        return small


# ---------------------------------------------------------------- the steps

def built(run, capability, shapes):
    """Builds while the worker imports PyTorch and writes the models; returns whether there are programs."""
    outcome = {}

    def make():
        try:
            build.use(build.build(capability))
        except Exception as error:
            outcome["failed"] = error

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    run.ask("imports and models", 90, "prepare", shapes=shapes)
    run.steps.run("build", 240, lambda seconds: thread.join(seconds))
    if "failed" in outcome:
        run.evidence.say(str(outcome["failed"]))
        run.evidence.not_measured("everything that needs the programs", steps.first_line(outcome["failed"]))
    return not thread.is_alive() and "failed" not in outcome


def about(run, gpu):
    run.evidence.add({"machine": f"{gpu['name']}, driver {gpu['driver']}", "capability": gpu["capability"],
                      "date": report.now(), "commit": commit()})
    run.evidence.say(f"{gpu['name']}, driver {gpu['driver']}, built for {build.architectures(gpu['capability'])}. A release "
                     "has code for 8.0, 9.0 and 10.0; that for other GPUs than this one does not run here")
    run.evidence.keep("machine.txt", steps.run(["nvidia-smi"], 20)[1] + steps.run(["ldd", build.library()], 20)[1])


def choices(run, seconds):
    """What the trials chose in three processes: a choice that changes is noise."""
    found = []
    for _ in range(3):
        found.append(next((line["products"] for line in run.hazard("products", seconds / 3) if "products" in line), []))
    same = {re.sub(r", [\d.]+ us$", "", line) for line in found[0]}
    changed = [line for other in found[1:] for line in other if re.sub(r", [\d.]+ us$", "", line) not in same]
    run.evidence.say(f"  {len(found[0])} sizes of product; {len(changed)} choices differ in two more processes")
    run.evidence.say("\n".join("    " + line for line in found[0]))


def beside(run, seconds):
    busy = threading.Thread(target=lambda: run.worker.ask("busy", seconds, for_s=seconds / 3), daemon=True)
    busy.start()
    try:
        run.hazard("patience", seconds / 2)
    finally:
        busy.join()


def hazards(run):
    run.steps.run("C1: a call that fails within a capture", 40, lambda seconds: run.hazard("capture", seconds))
    run.steps.run("C2: a broken context", 40, lambda seconds: run.hazard("recovery", seconds))
    run.steps.run("C3: the first batches of a fresh process", 40, lambda seconds: run.hazard("patience", seconds))
    if run.device == "cuda":
        run.steps.run("C3 beside a process that keeps the GPU busy", 60, lambda seconds: beside(run, seconds))
    run.steps.run("C5: what the trials choose", 60, lambda seconds: choices(run, seconds))


def other_gates(run, shapes):
    for shape, embeds in shapes:
        name = shape + (" embedder" if embeds else "")
        which = OTHER_GATES if not embeds else (*FIRST_GATES, *OTHER_GATES)
        run.ask(f"gates of {name}", 60, "gates", shape=shape, embeds=embeds, which=which)


def everything(run, some):
    shapes = [(TINY, False), (MINI, False), (TINY, True), (MINI, True)]
    run.steps.run("kernels against their twins", 60,
                  lambda seconds: build.kernel_tests(run.evidence, run.gates, seconds))
    for shape in (TINY, MINI):
        run.ask(f"engine of {shape}", 40, "open", shape=shape, embeds=False)
        run.ask(f"first gates of {shape}", 30, "gates", shape=shape, embeds=False, which=FIRST_GATES)
    run.ask("ceilings", 10, "ceilings")
    for id in FIGURES_FIRST:
        run.ask(f"time of {id}", 25, "time", id=id, kinds=["captured", "captured_plain"], runs=300)
    for id in FIGURES_FIRST[:2]:
        run.ask(f"kernels of {id}", 20, "profile", id=id, calls=50)
    hazards(run)
    other_gates(run, shapes)
    for name in ("racecheck", "synccheck", "memcheck", "initcheck"):
        run.steps.run(f"compute-sanitizer {name}", 40,
                      lambda seconds, name=name: build.sanitize(run.evidence, run.gates, name, seconds))
    others(run, some)


def others(run, some):
    for work in some:
        kinds = ["sdpa", "captured"] if work.id in FIGURES_FIRST else ["captured", "sdpa"]
        runs = 100 if run.given.quick or work.id not in FIGURES_FIRST else 1000
        run.ask(f"longer time of {work.id}" if work.id in FIGURES_FIRST and not run.given.only else
                f"time of {work.id}", 25, "time", id=work.id, kinds=kinds, runs=runs)
        if work.figure and not work.embeds:
            run.ask(f"texts of {work.id}", 20, "texts", id=work.id, runs=100)
            run.ask(f"callers of {work.id}", 20, "throughput", id=work.id, callers=[1, 4, 16])
    for id in ("w1_minilm", "w1_tinybert", "w2_tinybert", "embed_minilm"):
        if any(work.id == id for work in some) and not run.given.quick:
            run.ask(f"torch.compile of {id}", 90, "time", id=id, kinds=["compiled"], runs=100)


# ---------------------------------------------------------------- what comes last

def latest(lines, id, contender, key="p50_us"):
    """The line of the longest timing of a contender."""
    found = [line for line in lines if line.get("workload") == id and line.get("contender") == contender and key in line]
    return max(found, key=lambda line: line.get("runs", 0), default=None)


def figures(lines, some, machine, capability):
    """The lines of bench/README.md's shape, of the workloads that have an id there."""
    for work in some:
        ours, rival = latest(lines, work.id, "memseal"), latest(lines, work.id, RIVAL)
        if work.figure and ours and rival:
            yield report.figure(work.figure, ours["p50_us"], rival["p50_us"], RIVAL, machine, capability, ours["runs"],
                                report.now())


def judge_targets(run, some):
    """Targets are reported and fail nothing: a figure is never a test."""
    lines = run.evidence.lines
    for work in some:
        target = next((one for one in TARGETS if one[0] == work.figure), None)
        if target is None:
            continue
        id, most_us, ratio = target
        ours = latest(lines, work.id, "memseal") or latest(lines, work.id, ALONE)
        rival, device = latest(lines, work.id, RIVAL), latest(lines, work.id, "memseal", "device_p50_us")
        if ours is None:
            run.evidence.not_measured(id, "no timing of ours ended")
            continue
        run.evidence.say(f"  {id}: {ours['p50_us']:.1f} us" +
                         (f", {device['device_p50_us']:.1f} of them on the device" if device else ", device time not measured"))
        if most_us is not None:
            run.evidence.say(f"  target {id}: {most_us} us: {'met' if ours['p50_us'] <= most_us else 'MISSED'}")
        if rival is None:
            run.evidence.not_measured(f"{id} against its rival", "no timing of the rival ended")
        else:
            is_met = ours["p50_us"] <= ratio * rival["p50_us"]
            run.evidence.say(f"  target {id}: {rival['p50_us'] / ours['p50_us']:.2f} x the rival's speed, {1 / ratio:.1f} x "
                             f"wanted: {'met' if is_met else 'MISSED'}")


def conclude(run):
    say = run.evidence.say
    rows = [line for line in run.evidence.lines if "title" in line]
    if rows:
        say(report.table(rows, report.COLUMNS))
    held, failed, missing, _ = summary(run.evidence.lines)
    for one in missing:
        say(f"gpu-check: not measured: {one}")
    for failure in run.gates.failures():
        say(f"gpu-check: this gate does not hold: {failure}")
    if not failed:
        say(f"gpu-check: all {held} gates that were decided hold")
    return 1 if failed or held == 0 else 0


def commit():
    status, said = steps.run(["git", "describe", "--always", "--dirty"], 10)
    return said.strip() if status == 0 else "unknown"


def keep_results(run, gpu):
    """A copy beside the other results, for the repository."""
    path = ROOT / "bench/results" / report.result_name(gpu["name"], report.now())
    path.parent.mkdir(exist_ok=True)
    path.write_text((run.evidence.folder / "results.jsonl").read_text())
    run.evidence.say(f"figures: {path.relative_to(ROOT)}")


def on_the_gpu(given, gpu, models):
    run, some = Run(given, "cuda", models), chosen(given.only)
    predict(some, run.evidence.say)
    embeds = [(MINI, True)] if given.only else [(TINY, True), (MINI, True)]
    try:
        if not built(run, gpu["capability"], [(TINY, False), (MINI, False), *embeds]):
            return 3
        run.steps.run("about this machine", 30, lambda seconds: about(run, gpu))
        if given.only:
            run.ask("ceilings", 10, "ceilings")
            others(run, some)
        else:
            everything(run, some)
    finally:
        run.worker.close()
    judge_targets(run, some)
    for line in figures(run.evidence.lines[:], some, f"{gpu['name']}, driver {gpu['driver']}", gpu["capability"]):
        run.evidence.add(line)
        if given.lines:
            print("line " + json.dumps(line), flush=True)
    status = conclude(run)
    if not given.quick and not given.only:
        keep_results(run, gpu)
    return status


def rehearse(given, models):
    """Everything that needs no GPU, small. Programs that the environment names are not built again."""
    run = Run(given, "host", models)
    predict(workloads.workloads(), run.evidence.say)
    shapes = [(TINY, False), (TINY, True)]
    try:
        if {"MEMSEAL_GPU_CHECK_LIBRARY", "MEMSEAL_KERNELS_TEST"} <= set(build.os.environ):
            run.ask("imports and models", 90, "prepare", shapes=shapes)
        elif not built(run, None, shapes):
            return 3
        run.steps.run("kernels against their twins", 60, lambda seconds: build.kernel_tests(
            run.evidence, run.gates, seconds, "Half.*:Bucket.*:Choice.*", {}))
        hazards(run)
        run.ask(f"first gates of {TINY}", 300, "gates", shape=TINY, embeds=False, which=FIRST_GATES)
        for work in workloads.rehearsal():
            run.ask(f"time of {work.id}", 60, "time", id=work.id, kinds=["sdpa", "plain"], runs=20)
        run.ask("texts", 60, "texts", id="rehearsal", runs=10)
        run.ask("callers", 60, "throughput", id="rehearsal", callers=[1, 4])
        other_gates(run, shapes)
    finally:
        run.worker.close()
    status = conclude(run)
    run.evidence.say("a rehearsal: these times are those of a CPU that plays the GPU, and mean nothing")
    return status


def main(words):
    given = arguments(words)
    try:
        if given.pack:
            print(f"build/gpu-carry: {build.pack() / 1e6:.1f} MB")
            return 0
        chosen(given.only)
        gpu = None if given.rehearse else build.find_gpu()
        if gpu is None and not given.rehearse:
            print("gpu-check: there is no NVIDIA GPU here that this process may use: nothing was checked")
            return 3
        with tempfile.TemporaryDirectory() as models:
            return rehearse(given, models) if given.rehearse else on_the_gpu(given, gpu, models)
    except build.Missing as missing:
        print(f"gpu-check: {missing}")
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
