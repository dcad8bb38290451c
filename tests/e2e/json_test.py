"""--json of every command: what succeeds prints JSON and nothing else, what fails prints an `error` with its code. A row for
each command of the table; a command without a row fails the test."""
import json
import os
import subprocess
import unittest
import uuid
from pathlib import Path

from clients import small_reranker
from harness import EndToEnd, psql, without_password

HERE = Path(__file__).resolve().parent
NOWHERE = ("--url", "http://127.0.0.1:1")  # no service may listen there
NO_DATABASE = ("--set", "postgres.migrate_dsn=")
NO_KEYS = ("--set", "seal.keyring_file=/nope")


class Elsewhere:
    """The success of a command that needs more than a service is shown by another test."""

    def __init__(self, file, test):
        self.file, self.test = file, test

    def is_there(self):
        return f"def {self.test}(" in (HERE / self.file).read_text()


class Json(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.reranker = small_reranker.write_for(cls)
        super().setUpClass()
        at = cls.at
        cls.env = {"MEMSEAL_TOKEN": at.token("alice"), "MEMSEAL__HTTP__LISTEN": f"127.0.0.1:{at.port}",
                   "MEMSEAL__HTTP__ADMIN_LISTEN": f"127.0.0.1:{at.admin_port}"}
        cls.scratch = at.name + "_scratch"
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"CREATE DATABASE {cls.scratch}")
        cls.addClassCleanup(psql, os.environ["MEMSEAL_TEST_PG_SUPER"], f"DROP DATABASE {cls.scratch} WITH (FORCE)")
        for name, text in (("note.md", "The kiln is lit at dawn."), ("garbage", "no receipt")):
            (at.folder / name).write_text(text)
        done = at.cli("--json", "upload", at.folder / "note.md", env=cls.env)
        cls.file_id = json.loads(done.stdout)["file"]["id"]
        for user in ("alice", "zoe"):
            at.cli("publish", "upload", "--user", user, "--doc-id", "note", at.folder / "note.md", env=cls.env)
        at.cli("publish", "chat", "--user", "alice", "--conversation", "c1", "user:I like tea.", env=cls.env)
        at.kcat_produce(at.upload_topic, "alice", "no event")

    def run_json(self, *words, env=None):
        done = self.at.cli("--json", *words, check=False, env={**self.env, **(env or {})})
        try:
            said = [json.loads(line) for line in done.stdout.splitlines()]
        except ValueError:
            self.fail(f"memseal --json {words}: not JSON: {done.stdout[:500]}")
        return done, said

    def letter(self):
        """Id of an open dead letter."""
        found = []

        def there():
            found[:] = self.run_json("dlq", "list")[1]
            return found
        self.at.wait_for(there, 30, "a dead letter")
        return found[0]["id"]

    def rows(self):
        """Of each command the words that succeed, the words that fail, and the exit code of the failure."""
        at, folder = self.at, self.at.folder
        # A command line may hold no password.
        address, env = without_password(at.owner.replace(at.name, self.scratch))
        (folder / "pgpass").write_text(f"*:*:*:*:{env['PGPASSWORD']}\n")
        on_scratch = ("--set", f"postgres.migrate_dsn={address}?passfile={folder / 'pgpass'}")
        registry = ("--file", folder / "producers.json")
        user = ("--user", "alice")
        gone = str(uuid.uuid4())
        return {
            "serve": (Elsewhere("command_line_test.py", "test_ready_is_one_line_of_json"),
                      ("--set", "http.listen=foo"), 2),
            "dev": (Elsewhere("dev_test.py", "test_the_line_for_scripts_says_where_everything_is"), ("--kafka-port", "9"), 2),
            "migrate plan": (on_scratch, NO_DATABASE, 2),
            "migrate up": (on_scratch, NO_DATABASE, 2),
            "migrate status": (on_scratch, NO_DATABASE, 2),
            "migrate rewrite": ((), ("--set", "postgres.dsn="), 2),
            "migrate down": ((*on_scratch, "--force"), NO_DATABASE, 2),
            "backup create": (("--out", folder / "backup"), ("--out", folder), 2),
            "backup verify": (Elsewhere("backup_test.py", "test_verify_restores_it_for_a_trial"), ("/nope",), 4),
            "backup restore": (Elsewhere("backup_test.py", "test_a_database_that_burnt_is_restored_and_answers"),
                               ("/nope",), 4),
            "keys init": ((folder / "new-keyring",), (at.keyring,), 1),
            "token mint": (user, ("--user", ""), 2),
            "producers keygen": ((folder / "key",), (folder / "key",), 2),
            "producers add": (("crm", "--key-file", folder / "key", "--tenant", "*", *registry),
                              ("crm", "--key-file", "/nope", "--tenant", "*", *registry), 2),
            "producers list": (registry, (), 2),
            "producers revoke": (("crm", *registry), ("nobody", *registry), 4),
            "publish upload": ((*user, folder / "note.md"), (*user, "/nope"), 1),
            "publish chat": ((*user, "--conversation", "c1", "user:And coffee."), (*user, "--conversation", "c1", "x"), 2),
            "dlq list": ((), ("--since", "soon"), 2),
            "dlq show": ((self.letter(),), ("nobody",), 4),
            "dlq replay": (("--id", self.letter(), "--dry-run"), ("--since", "soon"), 2),
            "dlq drop": (("--every",), (), 2),
            "query": (("tea",), (" ",), 2),
            "rerank-metrics": ((), NOWHERE, 3),
            "health": ((), NOWHERE, 3),
            "ls": ((), NOWHERE, 3),
            "show": (("note",), ("nothing",), 4),
            "rm": (("note",), ("nothing",), 4),
            "upload": ((folder / "note.md",), (folder / "none",), 1),
            "files list": ((), NOWHERE, 3),
            "files show": ((self.file_id,), (gone,), 4),
            "files get": ((self.file_id, "-o", folder / "fetched"), (gone, "-o", folder / "fetched"), 4),
            "files rm": ((self.file_id, "--yes"), (gone, "--yes"), 4),
            "export": (("-o", folder / "export"), (), 2),
            "tenant list": ((), NO_DATABASE, 2),
            "tenant show": (("zoe",), ("nobody",), 4),
            "tenant export": (("zoe", "-o", folder / "zoe"), ("nobody", "-o", folder / "nobody"), 4),
            "tenant erase": (("zoe", "--force", "-o", folder / "receipt"), ("nobody", "--force"), 4),
            "receipt verify": ((folder / "receipt",), (folder / "garbage",), 2),
            "models list": ((), ("x",), 2),
            "models show": ((self.reranker,), ("/nope/",), 2),
            "models verify": ((self.reranker,), ("/nope/",), 2),
            "bench rerank": (("--model", self.reranker, "--rounds", "1", "--count", "1"), ("--model", "/nope/"), 2),
            "bench embed": (("--rounds", "1", "--count", "1", "--tokens", "8"), ("--model", "/nope/"), 2),
            "config check": (("--set", "http.listen=127.0.0.1:0"), ("--set", "http.listen=foo"), 2),
            "config show": ((), ("--set", "no.such=1"), 2),
            "config table": ((), ("x",), 2),
            "config init": ((folder / "new.yaml",), (folder / "new.yaml",), 1),
            "doctor": ((), ("--set", "postgres.dsn=postgresql://app_user@127.0.0.1:1/none"), 3),
            "version": ((), ("x",), 2),
            "verify": (("seal",), ("--set", "postgres.dsn="), 2),
            "smoke": (("--other-token", at.token("bob")), ("--other-token", at.token("bob"), *NOWHERE), 3),
            "guard check": (("--window-s", "0"), NOWHERE, 3),
            "guard watch": (("--for-s", "1", "--every-s", "1"), ("--baseline", folder / "garbage"), 2),
            "guard show": ((), NOWHERE, 3),
            "guard hold": (("rerank_off",), ("rerank_off", *NOWHERE), 3),
            "guard release": (("rerank_off",), ("rerank_off", *NOWHERE), 3),
            "guard mode": (("observe",), ("observe", *NOWHERE), 3),
            "canary run": (Elsewhere("canary_test.py",
                                     "test_a_lost_controller_leaves_no_user_on_the_canary_and_another_one_goes_on"),
                           ("--proxy", "/nope", "--out", folder / "canary"), 2),
            "canary status": (Elsewhere("canary/bed.py", "status"), ("--proxy", "/nope"), 3),
            "canary abort": (Elsewhere("canary_test.py", "test_an_operator_ends_a_rollout"), ("--proxy", "/nope"), 3),
            "models pull": (Elsewhere("models_pull_test.py", "test_a_model_that_was_pulled_is_found_by_its_name_and_locked"),
                            ("../x",), 2),
            "audit show": ((), NO_DATABASE, 2),
            "audit verify": ((), NO_DATABASE, 2),
            "audit export": ((), NO_DATABASE, 2),
            "audit prune": ((), ("--days", "0"), 2),
            "keys list": ((), NO_KEYS, 2),
            "keys verify": ((), NO_KEYS, 6),
            "keys export-public": ((), NO_KEYS, 2),
            "keys rotate": (("token",), ("no-kind",), 2),
            "keys retire": (("token", "1"), ("token", "9"), 4),
            "tenant reseal": (("alice",), ("nobody",), 4),
            "help": (("query",), ("nobody",), 2),
            "completion": (("bash",), ("csh",), 2),
            "man": (("--dir", folder / "man"), ("--dir", "/proc/nope"), 1),
        }

    def test_every_command_answers_in_json_whether_it_succeeds_or_fails(self):
        rows = self.rows()
        _, (table,) = self.run_json("help")
        self.assertEqual([one["command"] for one in table["commands"] if one["command"] not in rows], [],
                         "a row for each command")
        self.assertEqual(set(rows) - {one["command"] for one in table["commands"]}, set(), "no row for a lost one")
        for command, (good, bad, code) in rows.items():
            with self.subTest(command, fails=False):
                if isinstance(good, Elsewhere):
                    self.assertTrue(good.is_there(), good.test)
                else:
                    done, said = self.run_json(*command.split(), *good)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertTrue(said, "nothing on stdout; stderr: " + done.stderr)
                    self.assertFalse([one for one in said if isinstance(one, dict) and one.get("error")])
            with self.subTest(command, fails=True):
                done, said = self.run_json(*command.split(), *bad)
                self.assertEqual(done.returncode, code, done.stderr + done.stdout)
                error = said[-1]["error"]
                self.assertEqual(error["exit_code"], code)
                self.assertTrue(error["code"] and error["message"], error)


if __name__ == "__main__":
    unittest.main()
