"""tools/regress.py: a slowdown is found, noise is none, and what cannot be told is said to be so."""
import random
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import regress  # noqa: E402


class Regress(unittest.TestCase):
    def judged(self, seed, slower=1.0, noise=0.04, better="lower"):
        """Verdict and number of runs of one figure with a ratio of 2 and this share of noise."""
        draw = random.Random(seed)
        worse = slower if better == "lower" else 1 / slower

        def ratio(factor):
            return 2 * factor * draw.lognormvariate(0, noise)
        baseline = {"one": {"better": better, "ratios": [ratio(1) for _ in range(regress.RUNS_RECORDED)]}}
        said, _, _, runs = regress.judge(baseline, lambda names: {name: ratio(worse) for name in names})["one"]
        return said, runs

    def test_a_planted_slowdown_is_found_and_noise_is_none(self):
        for better in ("lower", "higher"):
            slow = [self.judged(seed, 1.2, better=better)[0] for seed in range(20)]
            self.assertEqual(slow, ["slower"] * 20, better)
            self.assertNotIn("slower", [self.judged(seed, better=better)[0] for seed in range(200)], better)

    def test_what_a_busy_machine_measured_is_no_loss_and_a_planted_one_is(self):
        # 18 runs of trace_query on two cores that compiled something else meanwhile, every other one in each series.
        even = [46.3, 49.37, 54.57, 48.84, 50.08, 54.6, 57.57, 59.18, 52.93]
        odd = [44.85, 49.71, 47.96, 48.85, 51.0, 59.49, 58.66, 49.61, 54.48]
        for before, after, is_proved in ((even, odd, False), (odd, even, True)):
            found = regress.prove({"one": {"better": "lower", "ratios": before}}, {"one": after})
            noise, planted = found["one"]
            self.assertEqual((len(noise), len(planted)), (20, 20))
            self.assertNotIn("slower", noise)
            self.assertGreaterEqual(planted.count("slower"), 17)
            self.assertNotIn("as before", planted)
            # A machine whose noise hides the loss now and then is not called proved.
            self.assertEqual(regress.is_proved(found), is_proved)

    def test_a_gain_is_no_loss(self):
        self.assertEqual({self.judged(seed, 0.8)[0] for seed in range(20)}, {"as before"})

    def test_a_quiet_machine_needs_few_runs_and_a_noisy_one_says_so(self):
        self.assertEqual(self.judged(1, noise=0.01), ("as before", regress.RUNS))
        self.assertEqual(self.judged(1, noise=0.4), ("unclear", regress.RUNS_MAX))

    def test_what_is_not_measured_is_unclear(self):
        baseline = {"gone": {"better": "lower", "ratios": [1, 1.01, 0.99]}}
        self.assertEqual(regress.judge(baseline, lambda names: {})["gone"][0], "unclear")

    def test_the_quantiles_are_those_of_the_tables(self):
        for freedom, value in ((4, 3.747), (8, 2.896), (12, 2.681), (30, 2.457)):
            self.assertAlmostEqual(regress.quantile_of_t(0.99, freedom), value, delta=0.01 * value)


if __name__ == "__main__":
    unittest.main()
