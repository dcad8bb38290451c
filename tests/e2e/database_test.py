"""What the service makes of the server it is given: a standby, a connection pooler."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from harness import STRUCTURED, Deployment, EndToEnd, missing, psql, structured


class OneThatRefusesWrites(EndToEnd):
    """As after a fail-over: the address leads to a server that takes no writes, then to one that does."""

    def set_read_only(self, on):
        server = os.environ["MEMSEAL_TEST_PG_SUPER"]
        setting = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
        psql(server, f"ALTER DATABASE {self.at.name} {setting}")
        psql(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     f"WHERE datname = '{self.at.name}' AND usename = 'app_user'")

    def ready(self):
        answer, body = self.at.request("GET", "/ready")
        checks = {check["name"]: check for check in json.loads(body)["checks"]}
        return answer.status, checks["database"]

    def upload(self, number):
        self.at.kcat_produce(self.at.upload_topic, "alice", structured("alice", "upload", {
            "doc_id": f"d{number}", "file": {"mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": f"Buoy {number} was painted."}}), STRUCTURED)

    def test_is_not_ready_waits_and_loses_nothing(self):
        token = self.at.token("alice")
        self.upload(0)
        self.at.wait_documents(1)
        self.set_read_only(True)
        self.addCleanup(self.set_read_only, False)
        for number in range(1, 6):
            self.upload(number)
        self.at.wait_for(lambda: self.ready()[0] == 503, 15, "/ready answers 503")
        self.assertIn("read-only", json.dumps(self.ready()[1]))
        answer, body = self.at.request("POST", "/api/v1/memory/index",
                                       {"text": "Anything.", "doc_id": "h"}, token)
        self.assertEqual((answer.status, json.loads(body)["retryable"]), (503, True))
        self.assertTrue(self.at.results(token, "which buoy was painted?"), "what is stored is found")
        self.set_read_only(False)
        writable = time.time()
        self.at.wait_documents(6, 30)
        self.assertLess(time.time() - writable, 10)
        self.at.wait_for(lambda: self.ready()[0] == 200, 15, "/ready answers 200")
        self.assertEqual(self.at.kcat_headers(self.at.upload_topic + ".dlq", 9), [])


@unittest.skipIf(missing(), missing())
@unittest.skipUnless(shutil.which("pgbouncer"), "no pgbouncer in PATH: run scripts/deps --test")
class APooler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.at = Deployment()
        cls.folder = tempfile.mkdtemp(prefix="memseal-pooler-")
        os.chmod(cls.folder, 0o755)

    @classmethod
    def tearDownClass(cls):
        cls.at.close()
        shutil.rmtree(cls.folder)

    def pooled(self, dsn, **settings):
        """Starts a PgBouncer before the server of `dsn`; returns the DSN that leads through it."""
        at = urlsplit(dsn)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        users, ini = f"{self.folder}/{port}.users", f"{self.folder}/{port}.ini"
        with open(users, "w", encoding="utf-8") as file:
            file.write(f'"{at.username}" "{at.password or ""}"\n')
        lines = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
                 "auth_type": "plain", "auth_file": users, "default_pool_size": 4, **settings}
        with open(ini, "w", encoding="utf-8") as file:
            file.write(f"[databases]\n* = host={at.hostname} port={at.port}\n[pgbouncer]\n")
            file.writelines(f"{name} = {value}\n" for name, value in lines.items())
        for name in (users, ini):
            os.chmod(name, 0o644)
        # PgBouncer refuses to run as root.
        drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        pooler = subprocess.Popen([*drop, shutil.which("pgbouncer"), ini],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(pooler.wait)
        self.addCleanup(pooler.terminate)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        return f"postgresql://{at.username}:{at.password or ''}@127.0.0.1:{port}{at.path}"

    def test_without_prepared_statements_is_refused_at_start_in_a_sentence(self):
        # On by default from 1.24, and unknown to versions before 1.21.
        version = subprocess.run(["pgbouncer", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()[1]
        off = {"max_prepared_statements": 0} if tuple(map(int, version.split(".")[:2])) >= (1, 21) else {}
        dsn = self.pooled(self.at.env["MEMSEAL__POSTGRES__DSN"], pool_mode="transaction", **off)
        env = {"MEMSEAL__POSTGRES__DSN": dsn}
        doctor = self.at.cli("doctor", check=False, env=env)
        self.assertEqual(doctor.returncode, 3, doctor.stdout)
        self.assertIn("max_prepared_statements", doctor.stdout)
        serve = self.at.cli("serve", check=False, env=env)
        self.assertNotEqual(serve.returncode, 0)
        self.assertIn("max_prepared_statements", serve.stderr + serve.stdout)

    def test_in_session_mode_works(self):
        dsn = self.pooled(self.at.env["MEMSEAL__POSTGRES__DSN"], pool_mode="session")
        doctor = self.at.cli("doctor", check=False, env={"MEMSEAL__POSTGRES__DSN": dsn})
        self.assertEqual(doctor.returncode, 0, doctor.stdout)

    def test_migrations_go_past_it(self):
        dsn = self.pooled(self.at.owner, pool_mode="transaction", default_pool_size=1)
        env = {"MEMSEAL__POSTGRES__MIGRATE_DSN": dsn}
        refused = self.at.cli("migrate", "up", check=False, env=env)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("past the pooler", refused.stderr)
        self.assertEqual(psql(dsn, "SHOW lock_timeout"), [["0"]], "nothing stays on the pool's sessions")
        through = self.pooled(self.at.owner, pool_mode="session")
        self.at.cli("migrate", "up", env={"MEMSEAL__POSTGRES__MIGRATE_DSN": through})


if __name__ == "__main__":
    unittest.main()
