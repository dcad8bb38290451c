"""docs/metrics.md is what tools/metrics_table.py makes of the sources."""
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
