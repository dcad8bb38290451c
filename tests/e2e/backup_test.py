"""`memseal backup`: what is taken can be verified and restored, and what is damaged is told; a kill leaves nothing."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import EndToEnd, missing, psql, without_password

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "config/backup/role.sql"


def run(words, **more):
    return subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, **more)


class Backup(EndToEnd):
    settings = {"postgres__verify_every_s": 1}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        at = cls.at
        address, env = without_password(at.owner)
        done = run(["psql", "-X", address, "-f", ROLE], env=env)
        assert done.returncode == 0, done.stdout
        # Roles belong to the whole cluster, so all deployments share one password.
        psql(at.owner, "ALTER ROLE memory_backup PASSWORD 'e2e-password'")
        at.env["MEMSEAL__POSTGRES__BACKUP_DSN"] = at.env["MEMSEAL__POSTGRES__DSN"].replace("app_user", "memory_backup")
        cls.tokens = {user: at.token(user) for user in ("alice", "bob")}
        for user, token in cls.tokens.items():
            for number in range(3):
                _, body = at.request("POST", "/api/v1/memory/index?wait=20", {
                    "text": f"Buoy {number} of {user} is painted red.", "doc_id": f"d{number}"}, token)
                assert json.loads(body)["operation"]["state"] == "succeeded", body
        cls.backups = at.folder / "backups"
        cls.backups.mkdir()
        files = at.folder / "files"
        (files / "aa").mkdir(parents=True)
        (files / "aa" / "one").write_bytes(os.urandom(5000))
        cls.good = cls.backups / "good"
        cls.report = json.loads(at.cli("backup", "create", "--out", cls.good, "--files", files, "--json").stdout)

    def fails(self, code, *words, env=None):
        """The error object of a run that ends with `code`."""
        done = self.at.cli(*words, "--json", check=False, env=env)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)["error"]

    def answers(self):
        """What each user finds, and in how many pieces everything lies."""
        found = {user: sorted(one["text"] for one in self.at.results(token, "which buoy is painted?"))
                 for user, token in self.tokens.items()}
        return found, psql(self.at.owner, "SELECT count(*) FROM app.memory_chunks")

    def schema(self):
        """As pg_dump writes it, without its random fence lines, and without lists of values, which PostgreSQL spells
        in another way once it has read its own spelling."""
        address, env = without_password(self.at.owner)
        done = run(["pg_dump", "--schema-only", address], env=env)
        self.assertEqual(done.returncode, 0, done.stdout)
        settings = psql(self.at.owner, "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON "
                        "d.oid = s.setdatabase WHERE datname = current_database() ORDER BY 1")
        return re.sub(r"(\\(un)?restrict.*|.* CHECK \(\(.*)\n", "", done.stdout), settings

    def test_a_database_that_burnt_is_restored_and_answers(self):
        before, schema = self.answers(), self.schema()
        self.assertEqual(self.report["chunks"], 6)
        self.assertIn("never beside the backups", " ".join(self.report["notes"]))
        self.at.wait_for(lambda: self.at.metrics()["memseal_backup_taken_seconds"] > time.time() - 300, 10,
                         "the age of the backup is known")
        self.assertEqual(run(["sha256sum", "-c", "SHA256SUMS"], cwd=self.good).returncode, 0)
        self.assertEqual(self.good.stat().st_mode & 0o077, 0)
        kept = b"".join(part.read_bytes() for part in self.good.iterdir())
        secrets = [line.split()[-1] for line in self.at.keyring.read_text().splitlines() if len(line.split()[-1]) > 30]
        self.assertGreater(len(secrets), 3)
        for secret in secrets:
            self.assertNotIn(secret.encode(), kept)

        self.at.stop()
        refused = self.fails(2, "backup", "restore", self.good, "--files", self.at.folder / "back")
        self.assertIn("is not empty", refused["message"])
        psql(self.at.owner, "DROP SCHEMA app, memseal CASCADE")
        psql(self.at.owner, f"ALTER ROLE app_user IN DATABASE {self.at.name} RESET ALL")
        other = self.at.folder / "other-keyring"
        self.at.cli("keys", "init", other)
        wrong = self.fails(6, "backup", "restore", self.good, "--files", self.at.folder / "back",
                           env={"MEMSEAL__SEAL__KEYRING_FILE": str(other)})
        self.assertEqual(wrong["code"], "key_invalid")
        done = json.loads(self.at.cli("backup", "restore", self.good, "--files", self.at.folder / "back",
                                      "--json").stdout)
        self.assertEqual(done["chunks"], 6)
        self.assertRegex("\n".join(done["next"]), r"--reset-offsets --to-datetime \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} ")
        self.assertEqual(self.schema(), schema)
        self.assertEqual((self.at.folder / "back/aa/one").read_bytes(), (self.at.folder / "files/aa/one").read_bytes())
        self.assertIn("APPROVED", self.at.cli("verify").stdout)
        # Kafka delivers everything again, from the beginning of the topics.
        self.at.env["MEMSEAL__KAFKA__GROUP"] = self.at.name + "-again"
        self.at.start()
        self.at.wait_for(lambda: sum(value for name, value in self.at.metrics().items()
                                     if name.startswith("memseal_ingest_events_total{")) >= 6, 30,
                         "every event is delivered again")
        self.assertEqual(self.answers(), before)

    def test_verify_restores_it_for_a_trial(self):
        scratch = Path(tempfile.mkdtemp(prefix="memseal-scratch-"))
        self.addCleanup(shutil.rmtree, scratch)
        scratch.chmod(0o711)  # PostgreSQL does not run as root
        done = self.at.cli("backup", "verify", self.good, "--json", env={"TMPDIR": str(scratch)})
        report = json.loads(done.stdout)
        self.assertEqual([proof["name"] for proof in report["proofs"]],
                         ["archive", "keyring", "restored", "rows", "seals", "lint"])
        self.assertTrue(all(proof["holds"] for proof in report["proofs"]))
        self.assertIn("6 of 6 chunks", report["proofs"][4]["detail"])
        self.assertEqual(list(scratch.iterdir()), [])
        # A database of the operator's, which is empty again afterwards.
        name = self.at.name + "_scratch"
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"CREATE DATABASE {name}")
        self.addCleanup(psql, os.environ["MEMSEAL_TEST_PG_SUPER"], f"DROP DATABASE {name} WITH (FORCE)")
        dsn = self.at.owner.replace(self.at.name, name)
        self.at.cli("backup", "verify", self.good, "--scratch", dsn)
        self.assertEqual(psql(dsn, "SELECT to_regnamespace('app') IS NULL AND to_regnamespace('memseal') IS NULL"), [["t"]])

    def damaged(self, name, damage):
        copy = self.backups / name
        shutil.copytree(self.good, copy)
        damage(copy)
        return copy

    def test_a_damaged_backup_is_told_in_a_sentence(self):
        def edit(part, change):
            def damage(folder):
                data = bytearray((folder / part).read_bytes())
                (folder / part).write_bytes(change(data))
            return damage

        def flip(data):
            data[len(data) // 2] ^= 1
            return data

        newer = edit("manifest.json", lambda data: data.replace(b'"format":1', b'"format":2'))
        cases = [
            ("truncated", edit("database.dump", lambda data: data[:-100]), "database.dump is cut off: it has"),
            ("byte", edit("database.dump", flip), "database.dump was changed after the backup was made"),
            ("file", edit("files.tar", flip), "files.tar was changed after the backup was made"),
            ("part", lambda folder: (folder / "database.dump").unlink(), "database.dump is missing"),
            ("manifest", lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
            ("sums", lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
            ("claims", edit("manifest.json", lambda data: data.replace(b'"app.documents":6', b'"app.documents":5')),
             "manifest.json was changed after the backup was made"),
            ("text", edit("manifest.json", lambda data: data[:-20]), "manifest.json was changed after the backup was made"),
            ("newer", newer, "has format 2, and this memseal reads 1: use a newer release")]
        for name, damage, sentence in cases:
            with self.subTest(name):
                folder = self.damaged(name, damage)
                error = self.fails(6, "backup", "verify", folder)
                self.assertEqual(error["code"], "open_failed")
                self.assertIn(sentence, error["message"])
                self.assertIn(sentence, self.fails(6, "backup", "restore", folder, "--force")["message"])
        self.assertIn("no backup", self.fails(4, "backup", "verify", self.backups / "nowhere")["message"])
        later = self.at.folder / "later-keyring"
        lines = self.at.keyring.read_text().splitlines()
        later.write_text("\n".join(line.replace("kek_1:", "kek_2:") for line in lines) + "\n")
        later.chmod(0o600)
        retired = self.fails(6, "backup", "verify", self.good, "--keyring", later)
        self.assertIn("no key-encryption key 1", retired["message"])
        other = self.at.folder / "another-keyring"
        self.at.cli("keys", "init", other)
        wrong = self.fails(6, "backup", "verify", self.good, "--keyring", other)
        self.assertEqual(wrong["code"], "key_invalid")

    def test_what_cannot_be_a_backup_is_refused(self):
        bound = self.fails(2, "backup", "create", "--out", self.backups / "bound", env={
            "MEMSEAL__POSTGRES__BACKUP_DSN": self.at.env["MEMSEAL__POSTGRES__DSN"]})
        self.assertIn("role.sql", bound["message"])
        self.assertIn("is there already", self.fails(2, "backup", "create", "--out", self.good)["message"])
        beside = self.fails(2, "backup", "create", "--out", self.backups / "b", "--files", self.at.folder)
        self.assertIn("the keyring lies in", beside["message"])
        self.assertFalse((self.backups / "b").exists())

    def test_a_kill_leaves_nothing_that_looks_like_a_backup(self):
        # pg_dump waits for a table that somebody has locked.
        psql(self.at.owner, "CREATE TABLE memseal.waits (n int) PARTITION BY RANGE (n)")
        self.addCleanup(psql, self.at.owner, "DROP TABLE IF EXISTS memseal.waits")
        address, env = without_password(self.at.owner)
        locker = subprocess.Popen(["psql", "-qX", address], stdin=subprocess.PIPE, text=True, env=env)
        self.addCleanup(locker.wait)
        self.addCleanup(locker.stdin.close)
        locker.stdin.write("BEGIN; LOCK TABLE memseal.waits;\n")
        locker.stdin.flush()
        self.at.wait_for(lambda: psql(self.at.owner, "SELECT count(*) FROM pg_locks WHERE granted AND mode = "
                                      "'AccessExclusiveLock' AND relation = 'memseal.waits'::regclass") == [["1"]], 10,
                         "the table is locked")
        folder = self.backups / "killed"
        for number, code in ((signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)):
            child = subprocess.Popen([self.at.program, "backup", "create", "--out", str(folder)], env=self.at.env,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.at.wait_for(lambda: psql(self.at.owner, "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                          "current_database() AND usename = 'memory_backup' AND wait_event_type = 'Lock'"
                                          ) == [["1"]], 60, "pg_dump waits")
            child.send_signal(number)
            _, said = child.communicate(timeout=20)
            self.assertEqual(child.returncode, code, said)
            self.assertFalse(folder.exists())
        left = [path.name for path in self.backups.iterdir() if path.name.startswith(".")]
        self.assertEqual(len(left), 1, "of the kill, and nothing of the signal")
        locker.stdin.write("ROLLBACK; DROP TABLE memseal.waits;\n")
        locker.stdin.close()
        locker.wait()
        self.at.cli("backup", "create", "--out", folder)
        self.assertEqual([path.name for path in self.backups.iterdir() if path.name.startswith(".")], [])
        self.assertTrue((folder / "SHA256SUMS").exists())


@unittest.skipIf(missing(), missing())
class PointInTime(unittest.TestCase):
    """The commands of docs/backup.md, as they stand there, on a cluster of this test's own."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="memseal-pitr-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.drop:
            shutil.chown(self.folder, "postgres", "postgres")
        binaries = os.environ.get("MEMSEAL_TEST_PG_BIN") or str(max(Path("/usr/lib/postgresql").glob("*/bin")))
        self.env = dict(os.environ, PATH=f"{binaries}:{os.environ['PATH']}", PGHOST=str(self.folder), PGPORT="5432",
                        PGUSER="owner", HOME=str(self.folder), PGDATA=f"{self.folder}/data", ARCHIVE=f"{self.folder}/archive",
                        BASE=f"{self.folder}/base", RESTORED=f"{self.folder}/restored")

    def shell(self, script):
        # A server that pg_ctl starts keeps its output open, so that goes to a file.
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            done = subprocess.run([*self.drop, "bash", "-euc", script], env=self.env, cwd=self.folder, timeout=60,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.assertEqual(done.returncode, 0, script + (self.folder / "log").read_text()[-3000:])

    def sql(self, text):
        done = subprocess.run([*self.drop, "psql", "-XAtq", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", text], env=self.env,
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def test_the_documented_commands_restore_a_moment(self):
        page = (ROOT / "docs/backup.md").read_text().split("## Point in time")[1]
        archive, base, restore = re.findall(r"```bash\n(.*?)```", page, re.S)
        self.shell("initdb -U owner --auth=trust --no-sync --no-instructions -D $PGDATA; "
                   "printf \"%s\\\\n\" \"listen_addresses = ''\" \"unix_socket_directories = '$PGHOST'\" 'fsync = off' "
                   ">>$PGDATA/postgresql.conf; pg_ctl -w start")
        self.addCleanup(self.shell, "for d in $PGDATA $RESTORED; do pg_ctl -D $d -m immediate stop || true; done")
        self.shell(archive)
        self.sql("CREATE TABLE kept AS SELECT 1 AS n")
        self.shell(base)
        self.sql("INSERT INTO kept VALUES (2)")
        self.env["MOMENT"] = self.sql("SELECT clock_timestamp()")
        self.sql("DROP TABLE kept")
        self.sql("SELECT pg_switch_wal()")
        self.shell("pg_ctl -m fast stop")
        self.shell(restore)
        self.assertEqual(self.sql("SELECT count(*) FROM kept"), "2")


if __name__ == "__main__":
    unittest.main()
