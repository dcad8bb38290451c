"""Statistics, gates, the table and the result file. Standard library only."""
import json
import math
import re
import statistics
import time


def percentile(values, share):
    """The value that `share` (0 … 1) of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1]


def summary(values):
    """What a row of the table says of the times in microseconds of many calls."""
    return {"p50_us": round(statistics.median(values), 2), "p95_us": round(percentile(values, 0.95), 2),
            "p99_us": round(percentile(values, 0.99), 2), "runs": len(values)}


class Gates:
    """What must hold; each gate is printed when it is decided."""

    def __init__(self, say=print, keep=None):
        self.say, self.keep, self.results, self.notes = say, keep or (lambda line: None), [], []

    def check(self, name, holds, found):
        self.results.append({"gate": name, "holds": bool(holds), "found": found})
        self.keep(self.results[-1])
        self.say(f"  {'ok    ' if holds else 'FAILED'} {name}: {found}")
        return bool(holds)

    def within(self, name, worst, tolerance):
        """NaN never is."""
        return self.check(name, worst <= tolerance, f"{worst:.3g} of {tolerance:g} allowed")

    def note(self, sentence):
        self.notes.append(sentence)
        self.say(f"  note   {sentence}")

    def failures(self):
        return [f"{one['gate']}: {one['found']}" for one in self.results if not one["holds"]]


def worst_difference(got, wanted):
    """Greatest |got - wanted|; NaN if any number is none, or one is missing."""
    if len(got) != len(wanted):
        return math.nan
    worst = 0.0
    for a, b in zip(got, wanted):
        off = abs(a - b)
        if math.isnan(off):
            return math.nan
        worst = max(worst, off)
    return worst


def worst_vector(got, wanted):
    """Greatest |got - wanted| / |wanted| over rows of vectors; NaN as above."""
    if len(got) != len(wanted):
        return math.nan
    worst = 0.0
    for row, other in zip(got, wanted):
        if len(row) != len(other):
            return math.nan
        off = math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(row, other)))
        off /= math.sqrt(math.fsum(b * b for b in other))
        if math.isnan(off):
            return math.nan
        worst = max(worst, off)
    return worst


def top_agrees(got, wanted, count, tolerance):
    """Whether the best `count` are the same in the same order, but for those that are nearer to each
    other than twice the tolerance."""
    if any(math.isnan(score) for score in got):
        return False
    order = sorted(range(len(wanted)), key=lambda i: -wanted[i])
    mine = sorted(range(len(got)), key=lambda i: -got[i])
    return all(a == b or abs(wanted[a] - wanted[b]) < 2 * tolerance
               for a, b in zip(order[:count], mine[:count]))


def table(rows, columns):
    """rows: dicts; columns: (heading, key, format). What a row lacks is a dash."""
    cells = [[heading for heading, _, _ in columns]]
    for row in rows:
        cells.append([("-" if row.get(key) is None else format(row[key], form)) for _, key, form in columns])
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = []
    for line in cells:
        parts = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


KERNEL_COLUMNS = [("kernel", "kernel", ""), ("calls", "calls", ".1f"), ("us each", "us_each", ".2f"),
                  ("us a pass", "us_a_pass", ".2f")]
COLUMNS = [("workload / contender", "title", ""), ("p50 us", "p50_us", ".1f"), ("p95", "p95_us", ".1f"),
           ("p99", "p99_us", ".1f"), ("runs", "runs", "d"), ("x ours", "times_ours", ".2f"),
           ("of roofline", "roofline", ".0%"), ("max error", "error", ".1e")]


def figure(id, ours, rival, rival_name, machine, capability, runs, date):
    """One line of bench/README.md's shape: times in microseconds."""
    return {"id": id, "ours": round(ours, 3), "rival": round(rival, 3), "rival_name": rival_name,
            "ratio": round(ours / rival, 5), "unit": "us", "better": "lower", "machine": machine,
            "isa": f"sm_{capability}", "date": date, "runs": runs}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def result_name(device, date):
    return f"gpu-{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}-{date[:10]}.json"
