"""The ids of the benchmarks stand in one place, and the documents tell what was kept."""
import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import figures  # noqa: E402


class FiguresTest(unittest.TestCase):
    def test_the_documents_tell_what_was_kept(self):
        for path in figures.TABLES:
            self.assertTrue(figures.with_table(path) == (ROOT / path).read_text(),
                            f"{path} differs from bench/results: run python3 tools/figures.py")

    def test_every_figure_is_measured_by_one_part_or_says_why_not(self):
        for name, figure in figures.figures().items():
            self.assertEqual(len({"program", "script", "gpu", "missing"} & set(figure)), 1, name)
            source = figure.get("script") or f"{figure.get('program')}.cpp"
            if {"program", "script"} & set(figure):
                self.assertIn(f'"{name}"', (ROOT / "bench" / source).read_text())

    def test_the_programs_print_known_ids_only(self):
        printed = set()
        for source in (ROOT / "bench").glob("*_bench.cpp"):
            printed |= set(re.findall(r'(?:print_skipped\(\s*|\.id = |print\(\{|report\(|compare\(|measure\()"(\w+)"',
                                      source.read_text()))
        self.assertGreater(len(printed), 8)
        self.assertEqual(printed - set(figures.figures()), set())

    def test_what_is_missing_prints_why(self):
        names = [name for name, figure in figures.figures().items() if "missing" in figure]
        done = subprocess.run([ROOT / "scripts/bench", *names], stdout=subprocess.PIPE, text=True, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["id"] for line in lines], names)
        self.assertTrue(all(line["skipped"] for line in lines))
        done = subprocess.run([ROOT / "scripts/bench", "seal_2k"], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("seal_1k", done.stderr)

    def test_a_figure_with_a_bar_of_its_own_shows_its_value(self):
        for name, figure in figures.figures().items():
            if figure.get("bar", "").startswith("ours"):
                self.assertIn("{ours}", figure["against"], name)

    def test_a_bar_is_judged_by_what_was_measured(self):
        figure = {"id": "x", "bar": "ratio >= 1.4"}
        line = {"ratio": 1.35, "ours": 3.0, "better": "higher", "unit": "ms"}
        self.assertEqual(figures.measured(figure, line), ["1.35", "higher", "≥ 1.4", "**no**"])
        self.assertEqual(figures.measured(figure, dict(line, ratio=1.4))[3], "yes")
        self.assertEqual(figures.measured({"id": "x", "bar": "ours <= 2", "at": "at 9"}, line)[2:],
                         ["≤ 2 ms at 9", "**no**"])
        self.assertEqual(figures.measured({"id": "x"}, line)[2:], ["", ""])
        self.assertEqual(figures.measured(figure, {"skipped": "no GPU"})[0], "not run: no GPU")


if __name__ == "__main__":
    unittest.main()
