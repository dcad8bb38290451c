"""The local stack, as root and as an ordinary user. Kafka takes part in one test, because it starts slowly."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import stack  # noqa: E402
from processes import Failure, as_user, start_time, without_password  # noqa: E402

AS_ROOT = os.geteuid() == 0
NEEDS_ROOT = unittest.skipUnless(AS_ROOT, "only root can become another user: run as root")
FAST = ["postgres", "redis"]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def owner(pid):
    return os.stat(f"/proc/{pid}").st_uid


class Rig(unittest.TestCase):
    """A folder for one stack, and scripts/stack as USER calls it."""

    USER = None  # who calls; None is the user of the test

    def setUp(self):
        # A path with a space, and without a private directory above it.
        self.base = Path(tempfile.mkdtemp(prefix="memseal stack ", dir="/var/tmp"))
        self.base.chmod(0o755)
        self.folder = self.base / "a stack"
        self.program = ROOT / "scripts" / "stack"
        if self.USER:
            # The checkout may be closed to others: a copy is not.
            for name in ("scripts", "tools"):
                shutil.copytree(ROOT / name, self.base / name,
                                ignore=shutil.ignore_patterns("__pycache__"))
            self.program = self.base / "scripts" / "stack"
            os.chown(self.base, self.uid(), -1)

    def tearDown(self):
        self.stack("reset")
        shutil.rmtree(self.base, ignore_errors=True)

    def uid(self):
        return as_user(self.USER)["user"] if self.USER else os.geteuid()

    def stack(self, *words, status=0):
        """Runs scripts/stack as USER; returns its standard output."""
        options = {"env": dict(os.environ, PATH="/usr/bin:/bin"), **as_user(self.USER)} if self.USER else {}
        done = subprocess.run([self.program, *words, "--dir", self.folder], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **options)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        self.errors = done.stderr
        return done.stdout

    def json(self, *words, status=0):
        return json.loads(self.stack(*words, "--json", status=status))

    def up(self):
        return self.json("up", *FAST)


class StackTest(Rig):
    def test_up_twice_starts_once_and_down_keeps_data_and_address(self):
        first = self.up()
        self.assertEqual(first["dir"], str(self.folder))
        self.assertEqual({name: seen["state"] for name, seen in first["services"].items()},
                         {"postgres": "started", "redis": "started"})
        dsn = first["env"]["MEMSEAL_TEST_PG_SUPER"]
        address, env = without_password(dsn)
        subprocess.run(["psql", address, "-qc", "create table kept as select 7 as n"], check=True, env=env)

        second = self.up()
        self.assertEqual({name: seen["state"] for name, seen in second["services"].items()},
                         {"postgres": "was up", "redis": "was up"})
        for name in FAST:
            self.assertEqual(second["services"][name]["pid"], first["services"][name]["pid"])

        self.assertEqual(self.json("down")["stopped"], ["postgres", "redis", "kafka"])
        for name in FAST:
            self.assertIsNone(start_time(first["services"][name]["pid"]), f"{name} still runs")
        self.assertEqual(self.up()["env"], first["env"])
        shown = subprocess.run(["psql", address, "-qAtc", "select n from kept"], check=True, env=env,
                               stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(shown, "7\n")

    def test_a_killed_service_starts_again_and_the_other_stays(self):
        first = self.up()["services"]
        os.kill(first["redis"]["pid"], signal.SIGKILL)
        os.kill(first["postgres"]["pid"], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while start_time(first["postgres"]["pid"]) or start_time(first["redis"]["pid"]):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual(self.json("status", *FAST, status=3)["services"],
                         {"postgres": {"state": "down"}, "redis": {"state": "down"}})
        self.assertNotIn("MEMSEAL_TEST_REDIS", self.json("env"))
        second = self.up()["services"]
        self.assertEqual(second["postgres"]["state"], "started")
        self.assertEqual(second["postgres"]["address"], first["postgres"]["address"])
        self.assertEqual(self.json("status", *FAST)["services"]["redis"]["state"], "up")

        os.kill(second["redis"]["pid"], signal.SIGKILL)
        time.sleep(0.2)
        third = self.up()["services"]
        self.assertEqual(third["redis"]["state"], "started")
        self.assertEqual(third["postgres"]["pid"], second["postgres"]["pid"])

    def test_a_pid_that_now_belongs_to_another_process_is_not_touched(self):
        self.up()
        self.stack("down")
        sleeper = subprocess.Popen(["sleep", "60"])
        try:
            (self.folder / "redis.pid").write_text(f"{sleeper.pid} 1\n")
            self.assertEqual(self.json("status", "redis", status=3)["services"]["redis"], {"state": "down"})
            self.stack("down")
            self.assertIsNone(sleeper.poll(), "a process of somebody else was stopped")
        finally:
            sleeper.kill()
            sleeper.wait()

    def test_a_busy_port_is_given_up(self):
        old = self.up()["services"]["redis"]["address"]
        self.stack("down")
        with socket.socket() as rival:
            rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            rival.bind(("127.0.0.1", int(old.rpartition(":")[2])))
            rival.listen()
            new = self.up()["services"]["redis"]["address"]
            self.assertNotEqual(new, old)
            self.assertEqual(self.json("env")["MEMSEAL_TEST_REDIS"], f"redis://{new}/0")

    def test_services_hold_nothing_of_the_caller_open(self):
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        options = as_user(self.USER) if self.USER else {}
        subprocess.run([self.program, "up", *FAST, "--dir", self.folder], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, cwd="/", check=True, pass_fds=[writer],
                       env=dict(os.environ, PATH="/usr/bin:/bin"), **options)
        os.close(writer)
        os.set_blocking(reader, False)
        self.assertEqual(os.read(reader, 1), b"", "a service holds the pipe")  # or BlockingIOError
        os.close(reader)

    def test_two_at_once_wait_for_each_other(self):
        options = as_user(self.USER) if self.USER else {}
        words = [self.program, "up", "redis", "--json", "--dir", self.folder]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd="/",
                                 env=dict(os.environ, PATH="/usr/bin:/bin"), **options) for _ in range(2)]
        seen = [json.loads(one.communicate(timeout=60)[0])["services"]["redis"] for one in both]
        self.assertEqual(seen[0]["pid"], seen[1]["pid"])
        self.assertEqual(sorted(one["state"] for one in seen), ["started", "was up"])

    def test_secrets_are_readable_by_their_owner_only(self):
        self.up()
        self.assertEqual((self.folder / "password").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.folder / "log").stat().st_mode & 0o777, 0o700)

    def test_without_a_stack_everything_says_so(self):
        self.assertEqual(self.json("env"), {})
        self.assertEqual(self.json("status", status=3)["services"]["kafka"], {"state": "down"})
        self.stack("down")
        self.assertIn("no stack under", self.errors)
        self.stack("logs", status=3)
        self.assertFalse(self.folder.exists())

    def test_errors_are_sentences_or_json(self):
        self.stack("start", status=1)
        self.assertIn("does not know 'start'", self.errors)
        self.assertIn("does not know 'start'", self.json("start", status=1)["error"])
        self.stack("up", "--fast", status=1)
        self.assertIn("--fast", self.errors)
        self.stack(status=2)
        self.json("up", "redis")
        self.stack("settings", status=1)
        self.assertIn("postgres does not run", self.errors)

    def test_env_lines_survive_the_shell(self):
        self.up()
        lines = self.stack("env")
        shown = subprocess.run(["bash", "-c", f"{lines}\nprintf %s \"$MEMSEAL_STACK_DIR\""], check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(shown, str(self.folder))


@NEEDS_ROOT
class AsNobodyTest(Rig):
    """The main path again, called by a user who may do nothing special."""

    USER = "nobody"
    test_up_twice = StackTest.test_up_twice_starts_once_and_down_keeps_data_and_address
    test_killed = StackTest.test_a_killed_service_starts_again_and_the_other_stays
    test_descriptors = StackTest.test_services_hold_nothing_of_the_caller_open
    test_secrets = StackTest.test_secrets_are_readable_by_their_owner_only

    def test_services_run_as_the_caller(self):
        for name, seen in self.up()["services"].items():
            self.assertEqual(owner(seen["pid"]), self.uid(), name)

    def test_the_folder_of_another_user_is_refused(self):
        self.folder.mkdir()  # root's
        self.folder.chmod(0o755)
        self.assertIn("is root's: run this as root", self.json("up", "redis", status=1)["error"])
        self.folder.rmdir()


@NEEDS_ROOT
class AsRootTest(Rig):
    def test_no_server_runs_as_root(self):
        seen = self.up()["services"]
        self.assertEqual(owner(seen["postgres"]["pid"]), as_user("postgres")["user"])
        self.assertEqual(owner(seen["redis"]["pid"]), as_user("nobody")["user"])

    def test_root_becomes_the_owner_of_the_folder(self):
        nobody = as_user("nobody")
        self.folder.mkdir()
        os.chown(self.folder, nobody["user"], nobody["group"])
        seen = self.up()["services"]
        for name in FAST:
            self.assertEqual(owner(seen[name]["pid"]), nobody["user"], name)
        strangers = [path for path in self.folder.rglob("*") if path.lstat().st_uid != nobody["user"]]
        self.assertEqual(strangers, [])

    def test_data_lies_outside_where_the_server_cannot_enter(self):
        self.base.chmod(0o700)
        self.up()
        link = self.folder / "postgres"
        self.assertTrue(link.is_symlink())
        outside = link.resolve().parent
        self.assertTrue(str(outside).startswith("/var/tmp/memseal-"))
        self.stack("down")
        self.assertEqual(self.up()["services"]["postgres"]["state"], "started")
        self.stack("reset")
        self.assertFalse(outside.exists())


class WholeStackTest(unittest.TestCase):
    def test_a_program_uses_it_and_leaves_nothing_running(self):
        with tempfile.TemporaryDirectory(prefix="memseal stack ", dir="/var/tmp") as base:
            os.chmod(base, 0o755)
            folder = Path(base) / "whole"
            try:
                with stack.running(folder) as env:
                    seen = stack.call("status", folder=folder)["services"]
                    self.assertEqual({name: one["state"] for name, one in seen.items()},
                                     {"postgres": "up", "redis": "up", "kafka": "up"})
                    self.assertEqual(env["MEMSEAL_TEST_KAFKA"], seen["kafka"]["address"])
                    self.assertEqual(env["PATH"], os.environ["PATH"])
                    self.settings_of_an_operator(folder, env["MEMSEAL_TEST_KAFKA_SASL"])
                for one in seen.values():
                    self.assertIsNone(start_time(one["pid"]))
                with self.assertRaisesRegex(Failure, "does not know 'start'"):
                    stack.call("start", folder=folder)
            finally:
                stack.call("reset", folder=folder)


    def settings_of_an_operator(self, folder, broker):
        """Two files with a password each; the service's leads to nothing that is the owner's."""
        done = subprocess.run([ROOT / "scripts" / "stack", "settings", "--dir", folder], check=True, stdout=subprocess.PIPE,
                              text=True)
        service, owner, password = files = [Path(line) for line in done.stdout.splitlines()]
        self.assertEqual([path.name for path in files], ["memseal.yaml", "owner.yaml", "app-password"])
        self.assertEqual([path.stat().st_mode & 0o777 for path in files], [0o600] * 3)
        superuser, app = (folder / "password").read_text(), password.read_text()
        self.assertNotEqual(superuser, app)
        self.assertIn(superuser, owner.read_text())
        self.assertNotIn(superuser, service.read_text())
        self.assertIn(f"app_user:{app}@", service.read_text())
        self.assertNotIn("migrate_dsn", service.read_text())
        for path in (service, owner):
            self.assertIn(f'brokers: "{broker}"', path.read_text())
            self.assertIn("sasl.mechanism", path.read_text())


if __name__ == "__main__":
    unittest.main()
