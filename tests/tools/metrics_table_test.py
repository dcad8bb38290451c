"""docs/metrics.md is what tools/metrics_table.py makes of the sources."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import metrics_table  # noqa: E402


class MetricsTable(unittest.TestCase):
    maxDiff = None

    def test_the_document_is_up_to_date(self):
        self.assertEqual((ROOT / "docs/metrics.md").read_text(), metrics_table.table(),
                         "run: tools/metrics_table.py > docs/metrics.md")

    def test_promtool_likes_the_names(self):
        """One name is the old system's, and dashboards and rules of its operators know it."""
        page = ""
        for name, (kind, labels, meaning) in metrics_table.all_metrics().items():
            given = ",".join(f'{label}="x"' for label in labels)
            page += f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
            if kind == "histogram":
                page += "".join(f'{name}_bucket{{{given + "," if given else ""}le="{edge}"}} 1\n' for edge in ("1", "+Inf"))
                page += f"{name}_sum{{{given}}} 1\n{name}_count{{{given}}} 1\n"
            else:
                page += f"{name}{{{given}}} 1\n"
        done = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.stdout.splitlines(),
                         ["memory_query_response_time_ms metric names should not contain abbreviated units"])

    def test_no_label_names_a_tenant(self):
        for name, (_, labels, _) in metrics_table.all_metrics().items():
            self.assertFalse({"user", "user_hash", "tenant", "sub", "doc_id", "conversation"} & set(labels), name)

    def test_no_metric_is_dead(self):
        """Each member that a constructor registers is changed by code elsewhere."""
        sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.[ch]pp"))
        members = re.findall(r"\b(\w+)\(\s*metrics\.(?:counter|gauge|histogram)\(\s*\"(\w+)\"", sources)
        self.assertGreater(len(members), 30)
        # What changes a metric: hits.Increment(), observe(metrics.took, …), stop(histogram), or a name for it.
        statements = [one for one in re.split(r"[;{}]", sources)
                      if re.search(r"\.(?:Increment|Decrement|Set|Observe)\(|\bobserve\w*\(|\bstop\(|auto& \w+ = ", one)]
        changed = {word for one in statements for word in re.findall(r"\w+", one)}
        for member, name in members:
            self.assertIn(member, changed, name)

    def test_registrations_are_read(self):
        source = '''
            : one(metrics.counter("memseal_one_total", "How many (of \\"those\\") "
                                  "there are.", {{"outcome", std::string(name)}, {"code", "x"}})),
              two(metrics.histogram("memseal_two_seconds", "Time.", edges())) {}
            constexpr std::string_view third_name = "memseal_third";
            constexpr std::string_view third_help = "Now.";
            auto& third = metrics_.gauge(
                third_name, third_help, {});
        '''
        self.assertEqual(list(metrics_table.metrics_of(source)), [
            ("memseal_one_total", "counter", ["outcome", "code"], 'How many (of "those") there are.'),
            ("memseal_two_seconds", "histogram", [], "Time."),
            ("memseal_third", "gauge", [], "Now.")])


if __name__ == "__main__":
    unittest.main()
