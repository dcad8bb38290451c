"""Long-lived processes that outlive their starter: each started in its own session, found again by
pid and start time, stopped politely and then by force. And one command under another user's name."""
import os
import pwd
import signal
import subprocess
import time
import urllib.parse


class Failure(Exception):
    """A sentence for the user: what is wrong and what to do."""


def as_user(name):
    """Arguments of subprocess that run a command as user `name`; none unless root asks for another."""
    if os.geteuid() != 0 or name == "root":
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(name, entry.pw_gid)}


def become(name):
    """Root continues as user `name`, for good."""
    entry = pwd.getpwnam(name)
    os.setgroups(os.getgrouplist(name, entry.pw_gid))
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


def without_password(dsn):
    """An address of PostgreSQL for a command line, which every user of the machine can read, and the environment that
    brings its password."""
    parts = urllib.parse.urlsplit(dsn)
    bare = parts._replace(netloc=(f"{parts.username}@" if parts.username else "") + parts.netloc.rpartition("@")[2])
    return bare.geturl(), dict(os.environ, PGPASSWORD=urllib.parse.unquote(parts.password or ""))


def start_time(pid):
    """When the process began, in clock ticks since boot; None if it has ended. A zombie has ended: in
    a container there may be no init that collects it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class Process:
    """A process that PID_FILE names by pid and start time, because a pid alone may belong to another
    process by now."""

    def __init__(self, pid_file, log):
        self.pid_file, self.log = pid_file, log

    def pid(self):
        """The pid while the process runs; None otherwise."""
        try:
            pid, since = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(pid) == since else None

    def launch(self, words, user, **options):
        """Starts the process, with nothing of the caller's open. Its pid is the command's own."""
        with open(self.log, "ab") as log:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, close_fds=True,
                                     **{"cwd": "/", **as_user(user), **options})
        child.returncode = 0  # nothing waits for the process: it outlives this one
        self.pid_file.write_text(f"{child.pid} {start_time(child.pid)}\n")

    def wait_until(self, check, seconds):
        """Polls; False after `seconds`, and at once when the process has died."""
        deadline = time.monotonic() + seconds
        while not check():
            if self.pid() is None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self, polite, seconds):
        """Sends `polite`; after `seconds` SIGKILL, each second again."""
        pid = self.pid()
        deadline = time.monotonic() + seconds
        wanted = polite
        while pid is not None and self.pid() == pid:
            if wanted is not None:
                send(pid, wanted)
            wanted = None
            if time.monotonic() > deadline:
                wanted, deadline = signal.SIGKILL, deadline + 1
            time.sleep(0.05)
        self.pid_file.unlink(missing_ok=True)

    @staticmethod
    def resident_mb(pid):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                return next((int(line.split()[1]) // 1024 for line in file
                             if line.startswith("VmRSS")), 0)
        except OSError:
            return 0

    def last_lines(self, count=15):
        try:
            text = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "".join(f"    | {line}\n" for line in text[-count:])


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
