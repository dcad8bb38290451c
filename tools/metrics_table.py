#!/usr/bin/env python3
"""Prints docs/metrics.md: every metric that the sources register, with its kind, labels and help.

    tools/metrics_table.py > docs/metrics.md

Reads the sources and not a running service, because a service registers only what it uses: no Redis, no
metrics of Redis."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# One that ends with _ is the begin of another name. Names with memory_ are those of the system before this one,
# names with process_ those of Prometheus' client libraries.
NAME = re.compile(r'"(memseal_[a-z_]*[a-z]|memory_[a-z_]*_(?:total|ms)|process_[a-z_]*_(?:total|bytes|seconds|fds))"')
CALL = re.compile(r'\b(counter|gauge|histogram)\(\s*(?:"(?P<name>(?:memseal|memory|process)_[a-z_]+)"'
                  r'|(?P<constant>\w+_name))\s*,')
TEXT = re.compile(r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
NOT_METRICS = {"memseal_dev"}  # a database's role
# A call that takes its labels from a function, by that function's name.
LABEL_MAKERS = {"label_of": ["model"], "place_of": ["topic", "partition"]}
HEAD = """# Metrics

`GET /metrics` on the admin listener, in Prometheus' text format; `GET /metrics/memory` shows those of memory alone:
queries, ingest, isolation, reranking, the database, event streams. The table is made from the sources by
`tools/metrics_table.py`; a test holds it. Rules, dashboards and alerts: [observability.md](observability.md). No label
ever names a tenant. A metric of a part that is not in use
(Redis, a GPU, Kafka) is not shown, and one with labels only once it has happened, unless it starts at 0.
What to do when a figure is wrong: [kafka.md](kafka.md#when-ingest-stalls), [limiter.md](limiter.md#metrics),
[operations.md](operations.md#health-and-metrics).

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def literal(text):
    """The value of adjacent C++ string literals."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)).replace('\\"', '"')


def call_text(source, start):
    """From `start`, inside a call, to the parenthesis that ends it."""
    depth, at, quoted = 1, start, False
    while depth > 0:
        char = source[at]
        if char == '"' and source[at - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(char, 0)
        at += 1
    return source[start:at - 1]


def constant(source, name):
    found = re.search(rf"\b{name}\s*=\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+);", source)
    return literal(found[1]) if found else None


def labels_of(call):
    for maker, labels in LABEL_MAKERS.items():
        if maker + "(" in call:
            return labels
    return re.findall(r'\{\s*"(\w+)"\s*,', call)


def metrics_of(source):
    """(name, kind, labels, help) of each registration in a source file."""
    for match in CALL.finditer(source):
        call = call_text(source, match.end())
        name = match["name"] or constant(source, match["constant"])
        text = TEXT.match(call)
        if text:
            meaning = literal(text[1])
        else:
            meaning = constant(source, re.match(r"\s*(\w+)", call)[1])
        if name and meaning:
            yield name, match[1], labels_of(call), meaning


def all_metrics():
    """name → (kind, labels, help). Ends the program where two registrations contradict each other, or
    where a name is in the sources and this program does not understand how."""
    known, seen = {}, set()
    for path in sorted((ROOT / "src").rglob("*.[ch]pp")):
        source = path.read_text()
        seen |= set(NAME.findall(source))
        for name, *facts in metrics_of(source):
            if known.setdefault(name, facts) != facts:
                sys.exit(f"{path}: {name} is registered twice, not alike: {known[name]}, {facts}")
    lost = seen - set(known) - NOT_METRICS
    if lost:
        sys.exit(f"not understood by {Path(__file__).name}: {', '.join(sorted(lost))}")
    return known


def table():
    rows = [f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {meaning.replace('|', chr(92) + '|')} |\n"
            for name, (kind, labels, meaning) in sorted(all_metrics().items())]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(table())
