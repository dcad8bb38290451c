"""memseal canary: two real releases behind HAProxy under load. A faulty one has no user soon after it fails, a clean one is
promoted, also where its controller was killed and another one went on, and a canary without a controller has no user."""
import hashlib
import json
import signal
import subprocess
import time
import unittest

from canary.bed import Bed, journal, wait_event
from harness import EndToEnd

# Limits so wide that some hundred requests prove a release within them, and that a busy machine is within them too.
LIMITS = ("--set", "guard.slow_permille=200", "--set", "guard.cut_permille=50", "--set", "guard.errors_permille=50")
QUICK = ("--plan", "50,100", "--settle-s", "0", "--every-s", "1", "--lease-s", "4", "--samples", "120", *LIMITS)


class Canary(EndToEnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bed = Bed(cls.at)
        cls.bed.load(40)

    @classmethod
    def tearDownClass(cls):
        cls.bed.close()
        super().tearDownClass()

    def setUp(self):
        self.bed.reset()
        self.out = self.bed.folder / self._testMethodName

    def begin(self, *words, until="stage"):
        """A controller, once users are on the canary, or as far as its journal says."""
        log = open(self.out.with_suffix(".log"), "ab")
        run = subprocess.Popen(list(map(str, self.bed.run_words(self.out, *QUICK, *words))), env=self.at.env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(run.stdout.close)
        self.addCleanup(log.close)
        self.addCleanup(lambda: run.poll() is None and run.kill())
        wait_event(self.bed, self.out, until)
        return run

    def ended(self, run, code):
        said = run.communicate(timeout=300)[0]
        self.assertEqual(run.returncode, code, said)
        return json.loads(said)

    def slots(self, since):
        return {slot for began, _, slot, _, _ in self.bed.answers(since) if slot != "-"}

    def went_back(self, since):
        """Users who had the canary and later on the stable release. Requests of one moment have no order."""
        first = {}
        for began, user, slot, _, _ in sorted(self.bed.answers(since)):
            if slot == "b":
                first.setdefault(user, began)
        return [user for began, user, slot, _, _ in self.bed.answers(since) if slot == "a" and began > first.get(user, began) + 2]

    def check_journal(self, out):
        previous = ""
        for line in (out / "journal.jsonl").read_text().splitlines():
            self.assertEqual(json.loads(line)["previous_sha256"], previous)
            previous = hashlib.sha256(line.encode()).hexdigest()

    def test_a_faulty_release_is_taken_back(self):
        run = self.begin("--min-s", "60", "--max-s", "60")
        self.at.wait_for(lambda: "b" in self.slots(0), 20, "users are on the canary")
        self.bed.fault("errors")
        report = self.ended(run, 6)
        off = time.time()
        self.assertEqual((report["verdict"], report["users_are_off"]), ("breach", True), report)
        self.assertIn("errors", report["reasons"][0])
        self.assertEqual(self.bed.status()["percent"], 0)
        self.at.wait_for(lambda: len(self.bed.answers(off)) > 20, 20, "users are answered")
        self.assertEqual(self.slots(off), {"a"})
        self.assertEqual({status for _, _, _, status, _ in self.bed.answers(off)}, {200})
        self.check_journal(self.out)
        self.assertEqual(json.loads((self.out / "smoke.json").read_text())["passed"], 13)
        self.assertEqual(json.loads((self.out / "verdict.json").read_text())["verdict"], "breach")
        self.assertIn('release="canary"', (self.out / "canary-0-end.prom").read_text())
        looks = [json.loads(line) for line in (self.out / "looks.jsonl").read_text().splitlines()]
        self.assertEqual([look["step"] for look in looks][-1], "roll_back")
        drained = next(entry for entry in journal(self.out) if entry["event"] == "drained")
        self.assertEqual((drained["requests_after"], drained["still_active"]), (0, 0))

    def test_a_lost_controller_leaves_no_user_on_the_canary_and_another_one_goes_on(self):
        run = self.begin("--min-s", "3", "--max-s", "240")
        began = time.time()
        self.at.wait_for(lambda: "b" in self.slots(began), 20, "users are on the canary")
        run.kill()
        run.wait()
        self.at.wait_for(lambda: self.bed.status()["percent"] == 0, 10, "the lease ends")
        # What was begun before the lease ended has its answer within a moment.
        off = time.time() + 1
        self.at.wait_for(lambda: len(self.bed.answers(off)) > 20, 20, "users are answered")
        self.assertEqual(self.slots(off), {"a"})
        resumed = time.time()
        report = self.ended(subprocess.Popen(
            [self.at.program, "--json", "canary", "run", "--resume", "--out", str(self.out)], env=self.at.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True), 0)
        self.assertEqual(report["verdict"], "promoted", report)
        self.check_journal(self.out)
        events = [entry["event"] for entry in journal(self.out)]
        self.assertEqual(events.count("stage"), 2, events)
        self.assertIn("resumed", events)
        promoted = time.time()
        self.at.wait_for(lambda: len(self.bed.answers(promoted)) > 20, 20, "users are answered")
        self.assertEqual(self.slots(promoted), {"b"}, "the canary is the stable release now")
        status = self.bed.status()
        self.assertEqual((status["stable"], status["canary"], status["percent"]), ("b", "a", 0))
        # At 50 % a user stayed on one release; none had the canary and lost it before it was stable.
        self.assertEqual(self.went_back(resumed + 1), [])
        self.assertEqual([status for _, _, _, status, ended in self.bed.answers(resumed) if status != 200 or not ended], [])
        done = self.at.cli("canary", "run", "--resume", "--out", self.out, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("has ended: promoted", done.stderr)

    def test_an_operator_ends_a_rollout(self):
        run = self.begin("--min-s", "60", "--max-s", "60")
        said = self.at.cli("--json", "canary", "abort", "--proxy", self.bed.socket).stdout
        self.assertEqual((json.loads(said)["percent"], self.bed.status()["percent"]), (0, 0))
        report = self.ended(run, 1)
        self.assertEqual((report["verdict"], report["users_are_off"]), ("aborted", True))
        self.out = self.out.with_name("interrupted")
        run = self.begin("--skip-smoke", "--min-s", "60", "--max-s", "60")
        self.assertEqual(self.bed.status()["percent"], 50)
        run.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(run, 1)["verdict"], "aborted")
        self.assertEqual(self.bed.status()["percent"], 0)

    def test_an_abort_or_a_signal_during_the_checks_lets_no_user_in(self):
        self.bed.fault_file.write_text("slow")  # so that the checks last for seconds
        run = self.begin("--min-s", "60", "--max-s", "60", until="begun")
        self.at.wait_for(lambda: self.bed.status()["rollout"].startswith("rollout-"), 20, "the proxy follows it")
        self.at.cli("canary", "abort", "--proxy", self.bed.socket)
        self.assertEqual(self.ended(run, 1)["verdict"], "aborted")
        self.assertEqual((self.bed.status()["rollout"], self.bed.status()["percent"]), ("aborted", 0))
        self.out = self.out.with_name("interrupted-checks")
        run = self.begin("--min-s", "60", "--max-s", "60", until="begun")
        run.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(run, 1)["verdict"], "aborted")
        self.assertNotIn("stage", [entry["event"] for entry in journal(self.out)])
        checks = self.out / "smoke.json"
        self.assertTrue(not checks.exists() or json.loads(checks.read_text())["total"] < 13)

    def refused(self, code, *words):
        done = subprocess.run(list(map(str, self.bed.run_words(self.out, *QUICK, *words))), env=self.at.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout)
        return json.loads(done.stdout)["error"]["message"]

    def test_a_canary_that_cannot_be_judged_gets_no_user(self):
        self.bed.fault("gone")
        self.assertIn("refused", self.refused(3))
        self.bed.fault("none")
        (self.bed.folder / "wrong-key").write_text("wrong")
        self.out = self.out.with_name("wrong-key-out")
        self.assertIn("did not reach the canary", self.refused(3, "--smoke-key-file", self.bed.folder / "wrong-key"))
        self.out = self.out.with_name("another")
        self.assertIn("must be the path", self.refused(2, "--proxy", "nowhere"))
        self.assertIn("lease", self.refused(2, "--every-s", "3"))
        self.assertIn("rise", self.refused(2, "--plan", "50,5,100"))
        self.assertIn("end with 100", self.refused(2, "--plan", "5,50"))
        self.assertIn("one for each of the 2 stages", self.refused(2, "--min-s", "1,2,3"))
        self.assertFalse(self.out.exists(), "a wrong command line leaves nothing behind")
        self.assertEqual(self.bed.status()["slot_b"]["active"], 0)


if __name__ == "__main__":
    unittest.main()
