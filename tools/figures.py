"""The figures of `make bench`: bench/figures.json names them, bench/results/ keeps what was measured, and
the tables of README.md and bench/README.md are written from both, so that they tell the same.

    python3 tools/figures.py        writes the tables again
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = {"README.md": "figures", "bench/README.md": "figure ids"}


def figures():
    """Every figure by its id, in the order of the tables. `program` or `script` prints it, `gpu`
    leaves it to scripts/gpu-check, `missing` says why it cannot be measured; `bar` is what we hold ourselves to."""
    return {one["id"]: one for one in json.loads((ROOT / "bench/figures.json").read_text())}


def results():
    """The last kept line of every id: of a day's file the last one, of all days the latest."""
    kept = {}
    results = ROOT / "bench/results"
    files = [*results.glob("gpu-*.json"), *results.glob("*.jsonl")]
    for file in sorted(files, key=lambda file: (re.search(r"\d{4}-\d\d-\d\d|$", file.name).group(), file.name)):
        for line in file.read_text().splitlines():
            found = json.loads(line)
            known = found.get("id") in figures()
            # What one machine could not measure leaves standing what another has measured.
            if known and ("ratio" in found or "ratio" not in kept.get(found["id"], {})):
                kept[found["id"]] = found
    return kept


def number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.3g}" if value < 1_000 else f"{value:,.0f}"


def measured(figure, line):
    """The cells of one row: ratio, better, bar, whether it is met."""
    field, sign, bar = figure.get("bar", "ratio <= 0").split()
    text = ""
    if "bar" in figure:
        text = f"{'≤' if sign == '<=' else '≥'} {float(bar):,g}"
        text += f" {line.get('unit', '')} {figure.get('at', '')}".rstrip() if field == "ours" else ""
    if "ratio" not in line:
        return [f"not run: {line['skipped']}", "", text, ""]
    met = line[field] <= float(bar) if sign == "<=" else line[field] >= float(bar)
    return [number(line["ratio"]), line["better"], text,
            "" if "bar" not in figure else "yes" if met else "**no**"]


def readme_table():
    kept = results()
    rows = ["| figure | against | ratio | better | bar | met |", "|---|---|---|---|---|---|"]
    for figure in figures().values():
        if "missing" in figure:
            continue
        line = kept.get(figure["id"], {"skipped": "no GPU here" if "gpu" in figure else "not measured yet"})
        ours = f"{number(line['ours'])} {line['unit']}" if "ours" in line else "not run"
        cells = [f"`{figure['id']}`", figure["against"].format(ours=ours), *measured(figure, line)]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def ids_table():
    rows = ["| id | ours | rival |", "|---|---|---|"]
    for figure in figures().values():
        if "missing" not in figure:
            rows.append(f"| `{figure['id']}` | {figure['ours']} | {figure['rival']} |")
    names = [f"`{one['id']}` ({one['missing']})" for one in figures().values() if "missing" in one]
    return rows + ["", "Not measured yet: " + "; ".join(names) + "."]


def with_table(path):
    """The text of a document with its table as it should be."""
    text = (ROOT / path).read_text()
    begin, end = (f"<!-- {word} of {TABLES[path]}: tools/figures.py -->" for word in ("begin", "end"))
    if begin not in text or end not in text:
        raise ValueError(f"{path} lacks the lines '{begin}' and '{end}'")
    table = readme_table() if path == "README.md" else ids_table()
    return text[:text.index(begin)] + "\n".join([begin, *table, ""]) + text[text.index(end):]


def write():
    for path in TABLES:
        (ROOT / path).write_text(with_table(path))


if __name__ == "__main__":
    sys.exit(write())
