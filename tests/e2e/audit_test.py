"""Who read what stands in the audit log, before what must not happen unseen; and whatever is done to the log is found."""
import json
import unittest

from harness import EndToEnd, psql

CANARY = "salary-of-the-director"


class Audit(EndToEnd):
    settings = {"audit__checkpoint_s": 1}

    def show(self, *words):
        return [json.loads(line) for line in self.at.cli("--json", "audit", "show", *words).stdout.splitlines()]

    def wait_shown(self, count, *words):
        self.at.wait_for(lambda: len(self.show(*words)) >= count, what=f"{count} records of {words}")
        return self.show(*words)

    def verify(self, *words):
        done = self.at.cli("--json", "audit", "verify", *words, check=False)
        return done.returncode, json.loads(done.stdout)

    def findings(self):
        code, report = self.verify()
        self.assertEqual(code, 6 if report["findings"] else 0, report)
        return {finding["kind"] for finding in report["findings"]}

    def test_records_and_what_needs_them(self):
        zoe, bob = self.at.token("zoe"), self.at.token("bob")
        told = self.at.request("POST", "/api/v1/memory/index?wait=20", {"doc_id": CANARY, "text": "The harbour opens at nine."}, zoe,
                               {"X-Request-ID": "w-1"})
        self.assertEqual(told[0].status, 200, told[1])
        asked = self.at.request("POST", "/api/v1/memory/query", {"query": "When does the harbour open?"}, zoe, {"X-Request-ID": "q-1"})
        self.assertEqual(asked[0].status, 200)
        self.at.request("GET", f"/api/v1/memory/documents/{CANARY}", None, bob, {"X-Request-ID": "b-1"})
        self.at.request("GET", "/api/v1/memory/documents", None, zoe, {"X-Request-ID": "evil id"})
        self.at.request("POST", "/flags/rerank/off", "", admin=True)
        self.at.request("POST", "/flags/rerank/on", "", admin=True)

        # Every request that touched a memory is found by its id, with its user and its documents, and in the log beside it.
        write, = self.wait_shown(1, "--request-id", "w-1")
        query, = self.wait_shown(1, "--request-id", "q-1")
        self.assertEqual((query["action"], query["outcome"], query["status"], query["address"]), ("memory.query", "done", 200, "127.0.0.1"))
        self.assertEqual((query["documents"], query["user"]), (write["documents"], write["user"]))
        foreign, = self.wait_shown(1, "--request-id", "b-1")
        self.assertEqual((foreign["status"], foreign["user"] != query["user"]), (404, True))
        self.wait_shown(3, "--user", "zoe", "--document", CANARY)  # the list is one of them
        self.assertEqual(len(self.show("--user", "bob", "--document", "another")), 0)
        self.wait_shown(2, "--actor", "operator")
        for line in ('"q-1"', "q-1"):
            if line in self.at.server_log():
                break
        else:
            self.fail("the log has no line of the request q-1")
        self.assertNotIn("evil id", self.at.server_log())

        # Nothing of it is a name or a content.
        dump = "\n".join(map(str, psql(self.at.owner, "SELECT a::text FROM app.audit a")))
        for secret in (CANARY, "harbour", "zoe", "bob", zoe.rsplit(".", 1)[1]):
            self.assertNotIn(secret, dump)

        # An export and an erasure stand there before they are done; without the log they are refused, and the rest goes on.
        psql(self.at.owner, "REVOKE INSERT ON app.audit FROM app_user")
        refused, _ = self.at.request("GET", "/api/v1/me/export", None, zoe)
        erased, _ = self.at.request("DELETE", "/api/v1/me?confirm=zoe", None, zoe)
        by_operator = self.at.cli("tenant", "erase", "zoe", "--force", check=False).returncode
        asked, _ = self.at.request("POST", "/api/v1/memory/query", {"query": "When?"}, zoe, {"X-Request-ID": "q-2"})
        psql(self.at.owner, "GRANT INSERT ON app.audit TO app_user")
        self.assertEqual((refused.status, erased.status, asked.status), (503, 503, 200))
        self.assertNotEqual(by_operator, 0)
        self.assertEqual(psql(self.at.owner, "SELECT count(*) FROM app.tenants WHERE state = 'erased'"), [["0"]])
        self.wait_shown(1, "--request-id", "q-2")  # it waited for the log
        exported, _ = self.at.request("GET", "/api/v1/me/export", None, zoe, {"X-Request-ID": "x-1"})
        self.assertEqual(exported.status, 200)
        self.assertEqual([one["outcome"] for one in self.wait_shown(2, "--request-id", "x-1")], ["begun", "done"])
        self.at.cli("tenant", "erase", "zoe", "--force", "-o", self.at.folder / "receipt")
        self.assertEqual([one["outcome"] for one in self.wait_shown(2, "--action", "operator.erase")], ["begun", "done"])

        # Two processes, one of which is killed: no gap, and the other one signs its end.
        second = self.another(MEMSEAL__KAFKA__ENABLED="false")
        for number in range(40):
            second.request("GET", "/api/v1/memory/documents", None, bob, {"X-Request-ID": f"k-{number}"})
        self.at.wait_for(lambda: psql(self.at.owner, "SELECT count(*) FROM app.audit WHERE request_id ~ '^k-'") != [["0"]], what="a batch")
        second.kill()
        self.at.wait_for(lambda: self.verify()[1]["unsigned_records"] == 0, what="the checkpoint of the dead process")
        code, report = self.verify()
        self.assertEqual((code, report["genuine"]), (0, True), report)
        self.assertGreater(report["chains"], 2)
        self.assertEqual(self.verify("--expect", report["checkpoint"])[0], 0)
        number = report["checkpoint"].split(":")[0]
        self.assertEqual(self.verify("--expect", f"{number}:{'0' * 64}")[0], 6)

        # Each kind of tampering, on the log of a service that has ended.
        self.assertEqual(self.at.stop(), 0)
        self.assertEqual(self.verify()[1]["unsigned_records"], 0)
        psql(self.at.owner, "CREATE TABLE public.kept AS SELECT * FROM app.audit")
        longest = psql(self.at.owner, "SELECT chain FROM app.audit GROUP BY chain ORDER BY count(*) DESC LIMIT 1")[0][0]
        for deed, kind in ((f"DELETE FROM app.audit WHERE chain = '{longest}' AND seq = 2", "missing"),
                           (f"UPDATE app.audit SET status = 404 WHERE chain = '{longest}' AND seq = 2", "changed"),
                           (f"DELETE FROM app.audit WHERE chain = '{longest}' AND seq > 2", "cut"),
                           ("DELETE FROM app.audit_checkpoints WHERE n = 1", "checkpoint")):
            psql(self.at.owner, deed)
            self.assertIn(kind, self.findings(), deed)
            psql(self.at.owner, "TRUNCATE app.audit; INSERT INTO app.audit SELECT * FROM public.kept")


if __name__ == "__main__":
    unittest.main()
