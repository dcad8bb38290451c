"""Proofs of isolation: `memseal verify`, the scripts for psql, and a service whose database somebody changed."""
import json
import os
import subprocess
import time
import unittest
from pathlib import Path

from harness import EndToEnd, psql, without_password

SCRIPTS = Path(__file__).resolve().parents[2] / "config" / "verify"

# What somebody did to a database that serves, and how it is taken back.
SABOTAGE = [
    ("ALTER TABLE app.documents DISABLE ROW LEVEL SECURITY",
     "ALTER TABLE app.documents ENABLE ROW LEVEL SECURITY"),
    ("ALTER TABLE app.documents NO FORCE ROW LEVEL SECURITY",
     "ALTER TABLE app.documents FORCE ROW LEVEL SECURITY"),
    ("CREATE POLICY more ON app.documents FOR SELECT TO app_user USING (true)",
     "DROP POLICY more ON app.documents"),
    ("DROP POLICY tenant_delete ON app.documents",
     "CREATE POLICY tenant_delete ON app.documents FOR DELETE TO app_user "
     "USING (user_hash = (SELECT app.tenant()))"),
]


class Isolation(EndToEnd):
    settings = {"postgres__verify_every_s": 1}

    def run_script(self, name):
        address, env = without_password(self.at.env["MEMSEAL__POSTGRES__DSN"])
        return subprocess.run(["psql", "-X", address, "-f", SCRIPTS / name], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, env=env)

    def readiness(self):
        answer, data = self.at.request("GET", "/ready")
        check = [one for one in json.loads(data)["checks"] if one["name"] == "isolation"][0]
        return answer.status, check

    def test_verify_approves_what_was_migrated(self):
        done = self.at.cli("verify")
        self.assertTrue(done.stdout.endswith("APPROVED\n"), done.stdout)
        report = json.loads(self.at.cli("verify", "--json").stdout)
        self.assertIs(report["approved"], True)
        self.assertEqual({proof["suite"] for proof in report["proofs"]},
                         {"rls", "leak", "plans", "seal", "keys"})
        self.assertTrue(all(proof["holds"] for proof in report["proofs"]))
        one = json.loads(self.at.cli("verify", "leak", "--json").stdout)
        self.assertEqual({proof["suite"] for proof in one["proofs"]}, {"leak"})

    def test_the_scripts_for_psql_approve_it_too(self):
        done = self.run_script("approve.sql")
        self.assertEqual(done.returncode, 0, done.stdout)
        for line in ("sanity: 5 of 5", "leak: A=1 B=1 C=0", "APPROVED"):
            self.assertIn(line + "\n", done.stdout)
        self.assertRegex(done.stdout, r"plans: (\d+) of \1\n")

    def test_pgtap_says_the_same(self):
        psql(self.at.owner, "CREATE EXTENSION IF NOT EXISTS pgtap")
        address, env = without_password(self.at.owner)
        done = subprocess.run(["psql", "-XqAt", address, "-f", SCRIPTS / "pgtap.sql"], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertNotIn("not ok", done.stdout)
        self.assertNotIn("Looks like", done.stdout)
        self.assertIn("1..29\n", done.stdout)

    def test_a_changed_database_is_found_and_the_service_is_not_ready(self):
        for plant, remove in SABOTAGE:
            with self.subTest(plant):
                self.at.wait_for(lambda: self.readiness()[0] == 200, 10, "ready")
                begun = time.time()
                psql(self.at.owner, plant)
                try:
                    self.at.wait_for(lambda: self.readiness()[0] == 503, 10, "unready")
                    self.assertLess(time.time() - begun, 10)
                    _, check = self.readiness()
                    self.assertIs(check["ok"], False)
                    self.assertNotIn("app.documents", check["detail"], "anybody may ask")
                    done = self.at.cli("verify", "--json", check=False)
                    self.assertEqual(done.returncode, 6, done.stderr)
                    report = json.loads(done.stdout)
                    self.assertIs(report["approved"], False)
                    self.assertEqual(report["error"]["code"], "not_isolated")
                    self.assertNotEqual(self.at.cli("doctor", check=False).returncode, 0)
                finally:
                    psql(self.at.owner, remove)
        self.at.wait_for(lambda: self.readiness()[0] == 200, 10, "ready again")
        broken = [line for line in self.at.server_log().splitlines() if "service.isolation_broken" in line]
        self.assertEqual(len(broken), len(SABOTAGE))
        self.assertTrue(all("app.documents" in line for line in broken), broken)
        self.assertEqual(self.at.metrics()["memseal_isolation_findings"], 0)

    def test_sanity_names_what_is_broken(self):
        psql(self.at.owner, SABOTAGE[0][0])
        try:
            done = self.run_script("sanity.sql")
            self.assertEqual(done.returncode, 3, done.stdout)
            self.assertIn("sanity: 4 of 5\n", done.stdout)
            self.assertIn("FAIL: app.documents", done.stdout)
            self.assertEqual(self.run_script("approve.sql").returncode, 3)
        finally:
            psql(self.at.owner, SABOTAGE[0][1])

    def test_serve_does_not_start_on_such_a_database(self):
        psql(self.at.owner, SABOTAGE[2][0])
        try:
            done = subprocess.run([self.at.program, "serve"], env=self.at.service_env(), text=True, timeout=60,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("policy_count (app.documents)", done.stderr)
            again = self.at.cli("migrate", "up", check=False)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("policy_count (app.documents)", again.stderr)
        finally:
            psql(self.at.owner, SABOTAGE[2][1])


if __name__ == "__main__":
    unittest.main()
