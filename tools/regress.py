#!/usr/bin/env python3
"""Whether the quick benchmarks are slower than they were: `make regress`.

    tools/regress.py            measures, and compares with bench/baseline/<isa>.jsonl
    tools/regress.py --record   measures, and writes that file: make regress RECORD=1
    tools/regress.py --prove    measures once more, and shows on 20 comparisons drawn from what was measured that the
                                machine's own noise fails none and that a slowdown of 20 % fails each; else exit code 1

Each figure is a ratio to a rival that runs in turn with it, so that two machines, or one on two days, can be
compared. A figure is measured RUNS times. If that proves neither that it is slower nor that it is not, it is
measured again, up to RUNS_MAX times. What is proved is an interval of the change, with a certainty of 99 % a side:

    slower    the whole interval lies above TOLERATED: exit code 1
    as before the whole interval lies below LOST
    unclear   neither; exit code 3 if nothing is slower: the machine is too noisy, or does something else

A baseline counts for one instruction set only. Without one for this machine nothing is judged: exit code 2."""
import json
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "bench/baseline"
# Those that take seconds, and whose rival runs in the same process or beside it.
QUICK = ["tokenizer", "seal_1k", "http_overhead", "rerank_cpu_fp32", "embed_cpu", "search_exact", "ingest_rows"]
RUNS, RUNS_MAX, RUNS_RECORDED = 5, 15, 9
TOLERATED, LOST = 0.05, 0.15  # slower by that share
CERTAINTY = 0.99


def quantile_of_t(certainty, freedom):
    """Of Student's distribution, by the expansion of Cornish and Fisher; good from 4 degrees on."""
    z = statistics.NormalDist().inv_cdf(certainty)
    return (z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
            + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3))


def change(before, now, better):
    """Least and most that `now` is slower than `before`, as shares; by Welch's test of the logarithms."""
    sign = 1 if better == "lower" else -1
    old, new = ([sign * math.log(ratio) for ratio in ratios] for ratios in (before, now))
    parts = [max(statistics.variance(each), 1e-12) / len(each) for each in (old, new)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(part ** 2 / (len(each) - 1) for part, each in zip(parts, (old, new)))
    shift, spread = statistics.mean(new) - statistics.mean(old), quantile_of_t(CERTAINTY, freedom) * error
    return math.expm1(shift - spread), math.expm1(shift + spread)


def verdict(before, now, better):
    least, most = change(before, now, better)
    return "slower" if least > TOLERATED else "as before" if most < LOST else "unclear"


def judge(baseline, measure):
    """{id: (verdict, least, most, runs)}. `measure(ids)` returns {id: ratio} of one run."""
    now = {name: [] for name in baseline}
    found = {name: "unclear" for name in baseline}
    for run in range(1, RUNS_MAX + 1):
        open_ones = [name for name in found if found[name] == "unclear"]
        if not open_ones:
            break
        for name, ratio in measure(open_ones).items():
            now[name].append(ratio)
        # Only at these counts, because each further look at noise is one more chance to be wrong.
        if run in (RUNS, RUNS_MAX):
            for name in open_ones:
                if len(now[name]) >= RUNS:
                    found[name] = verdict(baseline[name]["ratios"], now[name], baseline[name]["better"])
    return {name: (found[name], *(change(baseline[name]["ratios"], now[name], baseline[name]["better"])
                                  if len(now[name]) > 1 else (math.nan, math.nan)), len(now[name])) for name in found}


def prove(baseline, measured, comparisons=20, slowdown=1.2):
    """{id: (verdicts of the noise alone, verdicts with the slowdown)}: what was measured ({id: ratios}) is drawn from
    again, with replacement, as if it were that many later days."""
    found = {}
    for name, line in baseline.items():
        worse = slowdown if line["better"] == "lower" else 1 / slowdown
        verdicts = ([], [])
        for seed in range(comparisons):
            for factor, into in zip((1, worse), verdicts):
                draw = random.Random(f"{name} {seed} {factor}")
                one = judge({name: line}, lambda names: {name: draw.choice(measured[name]) * factor})
                into.append(one[name][0])
        found[name] = verdicts
    return found


def is_proved(found):
    return all("slower" not in noise and set(planted) == {"slower"} for noise, planted in found.values())


def bench(names):
    """The lines of one run of scripts/bench."""
    done = subprocess.run([ROOT / "scripts/bench", *names], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"regress: scripts/bench failed with exit code {done.returncode}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [line for line in lines if line["id"] in names and "ratio" in line]


def measured_again_and_again():
    """{id: ratios} and the last line of each figure."""
    ratios, last = {}, {}
    for _ in range(RUNS_RECORDED):
        for line in bench(QUICK):
            ratios.setdefault(line["id"], []).append(line["ratio"])
            last[line["id"]] = line
    return ratios, last


def read_baseline(isa):
    file = FOLDER / f"{isa}.jsonl"
    if not file.exists():
        print(f"regress: there is no baseline of {isa}: tools/regress.py --record", file=sys.stderr)
        return None
    return {line["id"]: line for line in map(json.loads, file.read_text().splitlines())}


def show_proof():
    ratios, last = measured_again_and_again()
    baseline = read_baseline(next(iter(last.values()))["isa"] if last else "this machine")
    if baseline is None:
        return 2
    found = prove({name: line for name, line in baseline.items() if name in ratios}, ratios)
    for name, (noise, planted) in found.items():
        print(f"{name:18} noise: {noise.count('slower')} of {len(noise)} slower; "
              f"20 % planted: {planted.count('slower')} of {len(planted)} slower")
    return 0 if found and is_proved(found) else 1


def record():
    ratios, last = measured_again_and_again()
    if not last:
        sys.exit("regress: nothing was measured")
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{next(iter(last.values()))['isa']}.jsonl"
    with open(file, "w") as out:
        for name, line in last.items():
            out.write(json.dumps({"id": name, "better": line["better"], "ratios": ratios[name], "machine": line["machine"],
                                  "isa": line["isa"], "date": line["date"]}) + "\n")
    print(f"regress: wrote {file.relative_to(ROOT)}")
    return 0


def compare():
    first = bench(QUICK)
    isa = first[0]["isa"] if first else "this machine"
    baseline = read_baseline(isa)
    if baseline is None:
        return 2
    taken = [first]

    def measure(names):
        lines = taken.pop() if taken else bench(names)
        return {line["id"]: line["ratio"] for line in lines if line["id"] in names}
    found = judge(baseline, measure)
    for name, (said, least, most, runs) in found.items():
        print(f"{said:9} {name:18} {least:+7.1%} to {most:+7.1%} slower, {runs} runs")
    verdicts = {said for said, *_ in found.values()}
    return 1 if "slower" in verdicts else 3 if "unclear" in verdicts else 0


if __name__ == "__main__":
    doors = {(): compare, ("--record",): record, ("--prove",): show_proof}
    door = doors.get(tuple(sys.argv[1:]))
    sys.exit(door() if door else __doc__)
