"""A second PostgreSQL that follows the first one: a planned switch-over to it, and back."""
import os
import shutil
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

import stack
from harness import psql

PG_BIN = "MEMSEAL_TEST_PG_BIN"
WAIT_S = 60


class Replica:
    """Both servers stay one cluster: each switch stops the old primary only after the other has all of its log."""

    def __init__(self, folder, super_dsn):
        self.folder, self.first = Path(folder), super_dsn
        self.data = (self.folder / "postgres").resolve()
        self.copy = self.data.parent / "postgres-standby"
        address = urllib.parse.urlsplit(super_dsn)
        # Far from the ports that scripts/stack draws (20000 to 29999), and below what clients get.
        self.port = 10_000 + address.port % 10_000
        self.second = address._replace(netloc=address.netloc.replace(str(address.port), str(self.port))).geturl()
        self.owner = self.data.stat()

    def run(self, program, *words):
        user = {}
        if os.geteuid() == 0 and self.owner.st_uid != 0:
            user = {"user": self.owner.st_uid, "group": self.owner.st_gid, "extra_groups": []}
        done = subprocess.run([Path(os.environ[PG_BIN]) / program, *words], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, **user)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout.decode(errors='replace')[-500:]}")

    def pg_ctl(self, *words):
        # Its output goes to a file, because the server keeps what it inherits open.
        self.run("pg_ctl", "-s", "-w", "-D", str(self.copy), "-l", str(self.copy / "log"), *words)

    def wait_streaming(self, dsn):
        deadline = time.monotonic() + WAIT_S
        while psql(dsn, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [["0"]]:
            if time.monotonic() > deadline:
                raise RuntimeError("the standby does not follow the primary")
            time.sleep(0.05)

    def own(self, path):
        os.chown(path, self.owner.st_uid, self.owner.st_gid)

    def switch_over(self):
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir(mode=0o700)
        self.own(self.copy)
        self.run("pg_basebackup", "-D", str(self.copy), "-R", "-c", "fast", "-X", "stream", "-d", self.first)
        self.pg_ctl("start", "-o", f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
                                   "-c timezone=UTC -c jit=off")
        self.wait_streaming(self.first)
        stack.call("down", "postgres", folder=self.folder)
        self.pg_ctl("promote")

    def switch_back(self):
        """The first server comes back as a standby of the second, and takes over again."""
        (self.data / "standby.signal").touch()
        self.own(self.data / "standby.signal")
        with open(self.data / "postgresql.auto.conf", "a") as settings:
            settings.write(f"primary_conninfo = '{self.second}'\n")
        stack.call("up", "postgres", folder=self.folder)
        self.wait_streaming(self.second)
        self.pg_ctl("stop", "-m", "fast")
        psql(self.first, "SELECT pg_promote()")
        psql(self.first, "ALTER SYSTEM RESET primary_conninfo")
        shutil.rmtree(self.copy)

    def kill(self):
        """Where a run ends in the middle."""
        try:
            os.kill(int((self.copy / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            pass
