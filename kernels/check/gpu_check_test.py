#!/usr/bin/env python3
"""The parts of scripts/gpu-check and scripts/kernel-report that need no GPU and no PyTorch."""
import importlib.machinery
import importlib.util
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernels"))

from check import build, evidence, report, steps, workloads  # noqa: E402

HIDDEN = dict(os.environ, CUDA_VISIBLE_DEVICES="-1")


def script(name):
    """A script of scripts/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def call(*words):
    return subprocess.run(words, cwd=ROOT, env=HIDDEN, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class WithoutAGpu(unittest.TestCase):
    def test_it_says_so_and_exits_3(self):
        done = call("scripts/gpu-check")
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("there is no NVIDIA GPU here", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_its_filter_selects_the_tests_that_a_gpu_adds(self):
        program = os.environ.get("MEMSEAL_KERNELS_TEST", "")
        self.assertTrue(Path(program).is_file(), "scripts/test names the program")
        listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={build.ON_THE_GPU}"],
                                env=dict(os.environ, **build.GPU_TESTS), stdout=subprocess.PIPE, text=True, check=True)
        tests = [line for line in listed.stdout.splitlines() if line.startswith("  ")]
        self.assertGreater(len(tests), 10, listed.stdout)

    def test_an_unknown_workload_is_a_usage_error(self):
        done = call("scripts/gpu-check", "--only", "w1", "w7")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown w7", done.stdout)

    def test_the_benchmarks_say_why_they_are_skipped(self):
        ids = [work.figure for work in workloads.workloads() if work.figure]
        self.assertEqual(sorted(ids), ["embed_gpu", "rerank_gpu_mini", "rerank_gpu_w1", "rerank_gpu_w2"])
        done = subprocess.run(["scripts/bench", *ids], cwd=ROOT, env=HIDDEN, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["id"] for line in lines], ids)
        for line in lines:
            self.assertIn("no NVIDIA GPU", line["skipped"])
            self.assertIn(f"`{line['id']}`", (ROOT / "bench/README.md").read_text())


class WhatABareMachineGets(unittest.TestCase):
    def test_the_library_builds_from_the_carried_files_alone(self):
        size = build.pack()
        self.assertLess(size, build.CARRY_BYTES_MAX)
        folder = build.build(settings=["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"],
                             targets=["memseal_gpu_check"])
        self.assertTrue((folder / "libmemseal_gpu_check.so").exists())
        said = (folder / "CMakeCache.txt").read_text()
        self.assertNotIn(".deps/prefix", said)

    def test_missing_files_are_one_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["cmake", "-S", "kernels/check", "-B", folder], cwd=ROOT,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("scripts/gpu-check --pack", done.stdout)

    def test_a_gpu_is_compiled_for_with_its_own_instructions(self):
        self.assertEqual(build.architectures(90), "90a-real;90-virtual")
        self.assertEqual(build.architectures(86), "86-real;86-virtual")


class Workloads(unittest.TestCase):
    def test_operations_and_bytes_are_those_counted_by_hand(self):
        # One layer of TinyBERT over 24 x 256 tokens: 4 + 4 + 2 + 3 + 5 + 5 + 3 times the states, and weights.
        one = workloads.Shape("one", 128, 1, 2, 512, 0, 1)
        flops, moved = workloads.totals(one, (256,) * 24)
        tokens, states = 6144, 6144 * 128 * 2
        weights = 2 * (128 * 384 + 128 * 128 + 2 * 128 * 512)
        self.assertEqual(flops, 2 * tokens * (128 * 384 + 128 * 128 + 2 * 128 * 512) + 4 * 24 * 256 ** 2 * 128)
        self.assertEqual(moved, 26 * states + weights)
        self.assertAlmostEqual(workloads.floor_us(workloads.TINY, (256,) * 24, 790e12, 4.3e12), 19.2, delta=0.1)
        self.assertAlmostEqual(workloads.floor_us(workloads.MINI, (256,) * 24, 790e12, 4.3e12), 231, delta=1)

    def test_first_tokens_alone_save_what_they_should(self):
        for shape, share in ((workloads.TINY, 0.56), (workloads.MINI, 0.86)):
            whole, first = (workloads.totals(shape, (256,) * 24, first_only)[0] for first_only in (False, True))
            self.assertAlmostEqual(first / whole, share, delta=0.01)

    def test_lengths_have_the_mean_that_was_asked_for(self):
        lengths = workloads.lognormal_lengths(2000, 120, 256, 1)
        self.assertAlmostEqual(sum(lengths) / len(lengths), 115, delta=6)  # the longest are cut
        self.assertGreaterEqual(min(lengths), 8)
        self.assertEqual(max(lengths), 256)
        self.assertEqual(lengths, workloads.lognormal_lengths(2000, 120, 256, 1))

    def test_sequences_are_well_formed_and_differ_by_seed(self):
        lengths = (1, 2, 3, 4, 256)
        for length, (ids, second) in zip(lengths, workloads.draw_sequences(lengths, 1)):
            self.assertEqual(len(ids), length)
            self.assertLessEqual(second, length)
            self.assertTrue(all(0 <= id < 30522 for id in ids))
        self.assertNotEqual(workloads.draw_sequences(lengths, 1), workloads.draw_sequences(lengths, 2))

    def test_every_workload_is_named_once(self):
        ids = [work.id for work in workloads.workloads()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue({f"w{i}" for i in range(1, 7)} <= {id.split("_")[0] for id in ids})


class Report(unittest.TestCase):
    def setUp(self):
        self.said = []

    def test_gates_fail_for_what_is_too_far_and_for_nan(self):
        gates = report.Gates(self.said.append)
        self.assertTrue(gates.within("near", 0.01, 0.02))
        self.assertFalse(gates.within("far", 0.03, 0.02))
        self.assertFalse(gates.within("nan", math.nan, 0.02))
        self.assertEqual([failure.split(":")[0] for failure in gates.failures()], ["far", "nan"])

    def test_differences_see_nan_and_missing_numbers(self):
        self.assertEqual(report.worst_difference([1, 2], [1, 2.5]), 0.5)
        self.assertTrue(math.isnan(report.worst_difference([1, math.nan], [1, 2])))
        self.assertTrue(math.isnan(report.worst_difference([1], [1, 2])))
        self.assertAlmostEqual(report.worst_vector([[0, 3], [1, 0]], [[0, 4], [1, 0]]), 0.25)
        self.assertTrue(math.isnan(report.worst_vector([[0, math.nan]], [[0, 1]])))

    def test_the_best_may_change_places_only_when_they_are_near(self):
        wanted = [5.0, 4.0, 3.99, 1.0]
        self.assertTrue(report.top_agrees([5.0, 4.0, 3.99, 1.0], wanted, 3, 0.02))
        self.assertTrue(report.top_agrees([5.0, 3.98, 4.0, 1.0], wanted, 3, 0.02))
        self.assertFalse(report.top_agrees([3.0, 4.0, 3.99, 1.0], wanted, 3, 0.02))
        self.assertFalse(report.top_agrees([math.nan, 4.0, 3.99, 1.0], wanted, 3, 0.02))

    def test_percentiles_are_by_nearest_rank(self):
        values = list(range(1, 101))
        self.assertEqual([report.percentile(values, share) for share in (0.5, 0.95, 0.99, 1)], [50, 95, 99, 100])
        self.assertEqual(report.summary([3.0, 1.0, 2.0]), {"p50_us": 2.0, "p95_us": 3.0, "p99_us": 3.0, "runs": 3})

    def test_the_table_aligns_and_dashes_what_is_missing(self):
        text = report.table([{"title": "a", "runs": 12}, {"title": "longer"}],
                            [("name", "title", ""), ("runs", "runs", "d")])
        self.assertEqual(text.splitlines(), ["name    runs", "------  ----", "a         12", "longer     -"])

    def test_figures_have_the_benchmarks_shape(self):
        line = report.figure("rerank_gpu_w1", 50.0, 100.0, "rival", "GPU", 90, 1000, "2026-01-31T12:00:00Z")
        self.assertEqual(set(line), {"id", "ours", "rival", "rival_name", "ratio", "unit", "better", "machine",
                                     "isa", "date", "runs"})
        self.assertEqual((line["ratio"], line["isa"]), (0.5, "sm_90"))
        self.assertEqual(report.result_name("NVIDIA H200", line["date"]), "gpu-nvidia-h200-2026-01-31.json")

    def test_result_lines_are_json_that_every_reader_takes(self):
        with tempfile.TemporaryDirectory() as folder:
            found = evidence.Evidence(Path(folder) / "made")
            for line in ({"error": math.nan, "inner": {"a": [math.inf]}}, {"b": 1.5}):
                found.add(line)
            evidence.append(Path(folder) / "made/results.jsonl", '{"torn')
            lines = evidence.read(Path(folder) / "made")
        self.assertEqual(lines, [{"error": None, "inner": {"a": [None]}}, {"b": 1.5}])


class Steps(unittest.TestCase):
    """Each step in its own try and time, with all that it started."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.found = evidence.Evidence(folder.name)
        self.found.say = lambda text="": None

    def missing(self):
        return evidence.summary(self.found.lines)[2]

    def test_a_step_that_fails_or_has_no_time_says_what_is_not_measured_and_ends_nothing(self):
        run = steps.Steps(self.found, 60)
        self.assertIsNone(run.run("first", 10, lambda seconds: 1 / 0))
        self.assertEqual(run.run("second", 10, lambda seconds: seconds), 10)
        run.until = 0
        self.assertIsNone(run.run("third", 10, lambda seconds: self.fail("it had no time")))
        self.assertEqual(self.missing(), ["first: ZeroDivisionError: division by zero",
                                          "third: no time left within the budget"])

    def test_a_program_that_takes_too_long_ends_with_all_that_it_started(self):
        with tempfile.TemporaryDirectory() as folder:
            status, said = steps.run(["sh", "-c", f"sleep 100 & echo $! > {folder}/pid; echo said; wait"], 0.5)
            self.assertEqual((status, said.splitlines()[0]), (124, "said"))
            inner = Path(folder, "pid").read_text().strip()
            self.assertTrue(until(lambda: not alive(inner)))

    def test_a_worker_that_hangs_or_dies_costs_its_step_alone(self):
        code = ("import os, sys, time; sys.path.insert(0, 'kernels'); from check.steps import serve\n"
                "serve({'say': lambda state, seconds: state({'found': 1}), 'hang': lambda state, seconds: time.sleep(99),\n"
                "       'die': lambda state, seconds: os._exit(7), 'lack': lambda state, seconds: __import__('lacking')},\n"
                "      lambda send: send)")
        heard = []
        worker = steps.Worker([sys.executable, "-c", code], self.found, heard.append)
        self.addCleanup(worker.close)
        for step, seconds, why in (("hang", 0.5, "did not end within"), ("die", 30, "status 7"), ("lack", 30, "lacks a library")):
            worker.ask("say", 30)
            with self.assertRaisesRegex(steps.Unable, why):
                worker.ask(step, seconds)
        with self.assertRaisesRegex(steps.Unable, "lacks a library"):
            worker.ask("say", 30)
        self.assertEqual(heard, [{"found": 1}] * 3)


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def marked(mark):
    """The processes whose environment holds the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes() and alive(process.name):
                found.append(process.name)
        except OSError:
            continue
    return found


class CutOff(unittest.TestCase):
    """A rehearsal that is killed. MEMSEAL_KILLS=20 for more moments."""

    def rehearse(self, folder, mark):
        return subprocess.Popen(["scripts/gpu-check", "--rehearse", "--out", folder], cwd=ROOT,
                                env=dict(HIDDEN, MEMSEAL_TEST_MARK=mark), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_whenever_it_is_killed_it_leaves_all_that_it_had_found_and_no_process(self):
        with tempfile.TemporaryDirectory() as place:
            started = time.monotonic()
            self.assertEqual(self.rehearse(f"{place}/whole", "whole-run").wait(), 0)
            took = time.monotonic() - started
            whole = evidence.read(f"{place}/whole")
            held, failed, missing, open_step = evidence.summary(whole)
            self.assertGreaterEqual(held, 4)
            self.assertEqual((failed, open_step), ([], None))
            if importlib.util.find_spec("torch") is None:
                self.assertTrue(any("No module named 'torch'" in one for one in missing), "it must be said")
            order = [line["step"] for line in whole if line.get("state") == "ended"]
            draw = random.Random()
            for number in range(int(os.environ.get("MEMSEAL_KILLS", "5"))):
                self.cut_off(f"{place}/{number}", draw.uniform(0, took), whole, order)

    def cut_off(self, folder, moment, whole, order):
        mark = f"MEMSEAL_TEST_MARK={folder}"
        child = self.rehearse(folder, folder)
        time.sleep(moment)
        child.kill()
        child.wait()
        self.assertTrue(until(lambda: not marked(mark)), f"something lives on after {moment:.2f} s")
        lines = evidence.read(folder)
        _, failed, _, _ = evidence.summary(lines)
        self.assertEqual(failed, [])
        ended = [line["step"] for line in lines if line.get("state") == "ended"]
        self.assertEqual(ended, order[:len(ended)], f"after {moment:.2f} s")
        self.assertLessEqual(sum(line.get("state") == "begins" for line in lines), len(ended) + 1)
        for step in ended:
            self.assertEqual(gates_of(lines, step), gates_of(whole, step), f"{step}, after {moment:.2f} s")
        if lines:
            self.assertIn(next(line["step"] for line in lines if "step" in line), Path(folder, "log.txt").read_text())


def gates_of(lines, step):
    """The gates that were decided between a step's begin and end."""
    begin = next(i for i, line in enumerate(lines) if line.get("step") == step and line.get("state") == "begins")
    end = next(i for i, line in enumerate(lines) if line.get("step") == step and line.get("state") == "ended")
    return [line["gate"] for line in lines[begin:end] if "gate" in line]


SAID = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN3gpu6attendILi64EEEvi' for 'sm_90a'
ptxas info    : Function properties for _ZN3gpu6attendILi64EEEvi
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 46080 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN3gpu4geluEv' for 'sm_90a'
ptxas info    : Function properties for _ZN3gpu4geluEv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers
"""


@unittest.skipUnless(shutil.which("c++filt"), "c++filt is missing")
class KernelReport(unittest.TestCase):
    def test_every_number_of_the_compiler_is_read(self):
        module = script("kernel-report")
        first, second = module.parse(SAID)
        self.assertEqual([first[key] for key in ("gpu", "registers", "shared", "stack", "stores", "loads")],
                         ["sm_90a", 128, 46080, 16, 8, 12])
        self.assertEqual([second[key] for key in ("registers", "shared", "stores")], [32, 0, 0])
        text = module.table([dict(one, source="a.cu") for one in (first, second)])
        self.assertIn("a.cu: attend<64>", text)
        self.assertIn("a.cu: gelu", text)

    def test_a_kernel_that_spills_fails_it(self):
        module = script("kernel-report")
        with tempfile.TemporaryDirectory() as folder:
            module.KEPT = Path(folder)
            module.commands = lambda: {Path("a.cu"): ["nvcc"]}
            module.compiled = lambda source, words, gpu: SAID.replace("sm_90a", gpu)
            out = Path(folder) / "report.txt"
            self.assertEqual(module.main(["--out", str(out)]), 1)
            self.assertIn("1 spill", out.read_text())
            clean = SAID.replace("8 bytes spill stores, 12", "0 bytes spill stores, 0")
            module.compiled = lambda source, words, gpu: clean.replace("sm_90a", gpu)
            self.assertEqual(module.main(["--out", str(out)]), 0)


if __name__ == "__main__":
    unittest.main()
