"""The commands of the documents: each exists with the options that are named, and those of deployment.md and incidents.md
are run as they stand there, on a service that is started as deploy/systemd/memseal.service says."""
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import yaml

from harness import Deployment, missing, psql

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import metrics_table  # noqa: E402

PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")
PAGES = ["deployment", "incidents", "runbook", "operations", "observability", "backup"]
UNIT = (ROOT / "deploy/systemd/memseal.service").read_text()


def text_of(page):
    return (ROOT / f"docs/{page}.md").read_text()


def code_of(text):
    """Every line of code of a page: blocks, indented lines, and what stands between backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.M | re.S)
    blocks += re.findall(r"^    (\S.*)$", rest, re.M)
    blocks += [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", rest)]
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def shell_blocks(page):
    return re.findall(r"^```bash\n(.*?)^```$", text_of(page), re.M | re.S)


class Manual:
    """Which commands there are, with which options: from the manual pages that the program writes."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PROGRAM, "man", "--quiet", "--dir", folder], check=True, timeout=20)
            pages = {path.stem: path.read_text().replace("\\-", "-") for path in Path(folder).iterdir()}
        self.groups = {name for name, page in pages.items() if "\n.SH COMMANDS\n" in page}
        self.options = {name: {word for names in re.findall(r"^\\fB(-.*?)\\fR$", page, re.M)
                               for word in re.findall(r"(?:^|, )(--?[\w-]+)", names)} for name, page in pages.items()}

    def complaint(self, words):
        """What is wrong with a command line without the program's name; empty: nothing."""
        name = "memseal"
        words = list(words)
        while words and f"{name}-{words[0]}" in self.options:
            name += "-" + words.pop(0)
        if words and name in self.groups and re.fullmatch(r"[a-z][\w-]*", words[0]):
            return f"{name} has no command {words[0]}"
        for word in words:
            option = word.split("=")[0]
            if re.fullmatch(r"--?[A-Za-z][\w-]*", option) and option not in self.options[name]:
                return f"{name} has no option {option}"
        return ""


def command_lines(line):
    """The words after `memseal` of each call in a line of code, also of those within others."""
    inner = r"\$\(([^()]*)\)"
    for part in re.findall(inner, line):
        yield from command_lines(part)
    line = re.sub(inner, "X", line)
    calls = r"(?:^|[|;&] *|docker compose run (?:--[\w-]+ )*)(?:[A-Z_]+=\S+ +)*memseal(?= |$)([^|;&>)]*)"
    for words in re.findall(calls, line):
        lexer = shlex.shlex(words, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, "#"
        try:
            found = list(lexer)
        except ValueError:  # a quotation that goes on in the next line
            found = words.split()
        # Two blanks and more set a remark apart.
        yield found[:len(re.split(r" {2,}", words.strip())[0].split())]


@unittest.skipIf(not PROGRAM, "set MEMSEAL_PROGRAM (scripts/test e2e does)")
class Named(unittest.TestCase):
    """What the documents name exists."""

    def test_every_command_and_option(self):
        manual = Manual()
        seen = 0
        for page in PAGES:
            for line in code_of(text_of(page)):
                for words in command_lines(line):
                    seen += 1
                    self.assertEqual(manual.complaint(words), "", f"docs/{page}.md: {line}")
        self.assertGreater(seen, 80)

    def test_a_wrong_command_is_found(self):
        manual = Manual()
        for line, wrong in (("memseal guard wach", "no command wach"), ("x && memseal verify --fast", "no option --fast"),
                            ("A=1 memseal migrate up --app-password x", "no option --app-password"),
                            ("echo $(memseal tenants erase)", "no command tenants"),
                            ("docker compose run --rm memseal token make", "no command make")):
            self.assertEqual(len(list(command_lines(line))), 1, line)
            for words in command_lines(line):
                self.assertIn(wrong, manual.complaint(words), line)
        self.assertEqual(list(command_lines("kubectl -n memseal get pods")), [])

    def test_every_setting_metric_event_and_target(self):
        sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.cpp"))
        events = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', sources))
        settings = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", text_of("settings"), re.M))
        sections = {name.split(".")[0] for name in settings | events} - {"app"}  # a schema of the database
        metrics = set(metrics_table.all_metrics())
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
        for page in PAGES:
            code = " ".join(code_of(text_of(page)))
            for name in re.findall(r"(?<![\w./-])([a-z]+\.[a-z_]+)(?![\w./(-])", code):
                if name.split(".")[0] in sections and not name.endswith((".yaml", ".yml", ".md", ".service", ".json", ".tar")):
                    self.assertIn(name, settings | events, page)
            for name in re.findall(r"\bmemseal_[a-z_]+[a-z]", code):
                self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name) if name not in metrics else name, metrics, page)
            for name in re.findall(r"(?:^| )make ([a-z-]+)", code):
                self.assertIn(name, targets, page)

    def test_every_object_of_kubernetes_and_service_of_compose(self):
        overlay = ROOT / "deploy/kubernetes/overlays/example"
        base = [item for path in sorted((ROOT / "deploy/kubernetes/base").glob("*.yaml")) if path.name != "kustomization.yaml"
                for item in yaml.safe_load_all(path.read_text())]
        objects = {f"{item['kind'].lower()}/{item['metadata']['name']}" for item in base}
        labels = {f"{key}={value}" for item in base for key, value in item["metadata"]["labels"].items()}
        secrets = {}
        for item in base:
            for volume in item["spec"].get("template", {"spec": {}})["spec"].get("volumes", ()):
                if "secret" in volume:
                    secrets.setdefault(volume["secret"]["secretName"], set())
        files = re.findall(r"/run/secrets/([\w-]+)/([\w-]+)", json.dumps(base))
        for secret, file in files:
            secrets[secret].add(file)
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        lines = [line for page in PAGES for line in code_of(text_of(page))]
        kubectl = [line for line in lines if line.startswith("kubectl ")]
        self.assertGreater(len(kubectl), 8)
        namespace = yaml.safe_load((overlay / "kustomization.yaml").read_text())["namespace"]
        made = {}
        for line in kubectl:
            words = line.split()
            for given in re.findall(r" -n (\S+)| create namespace (\S+)", line):
                self.assertIn(namespace, given, line)
            for name in re.findall(r"\b((?:deployment|job)[ /][\w-]+)", line):
                self.assertIn(name.replace(" ", "/"), objects, line)
            for folder in re.findall(r" -k (\S+)", line):
                self.assertTrue((ROOT / folder / "kustomization.yaml").exists(), line)
            for label in re.findall(r" -l (\S+)", line):
                self.assertIn(label, labels, line)
            if "secret" in words:
                made[words[words.index("generic") + 1]] = set(re.findall(r"--from-file=([\w-]+)", line))
        self.assertEqual(made, secrets, "the secrets that the manifests mount")
        composed = [re.sub(r" -\S+", "", line).split() for line in lines if line.startswith("docker compose")]
        self.assertGreater(len(composed), 3)
        for words in composed:
            if words[2] in ("run", "up", "ps", "build") and len(words) > 3 and "observability" not in words:
                self.assertIn(words[3], services, " ".join(words))

    def test_commands_of_the_manifests_exist(self):
        manual = Manual()
        calls = [re.search(r"^ExecStart=/usr/bin/memseal (.*)$", UNIT, re.M).group(1).split()]
        for path in (ROOT / "deploy/kubernetes/base").glob("*.yaml"):
            for item in yaml.safe_load_all(path.read_text()):
                pod = item.get("spec", {}).get("template", {}).get("spec", {})
                calls += [container["args"] for container in pod.get("containers", ())]
        self.assertEqual(len(calls), 3)
        for words in calls:
            self.assertEqual(manual.complaint(words), "", words)


class Systemd:
    """What systemd does with the unit, as far as a service can tell: credentials, environment, Type=notify. `systemctl` and
    `journalctl` of the shell come here."""

    def __init__(self, folder, etc, env):
        self.folder, self.etc, self.base = folder, etc, env
        self.calls, self.states = [], []
        self.server = None
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(folder / "bus"))
        self.listener.listen()
        shim = f"""#!{sys.executable}
import json, socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
link.connect({str(folder / 'bus')!r})
link.sendall(json.dumps([sys.argv[0].rsplit("/", 1)[-1], *sys.argv[1:]]).encode())
link.shutdown(socket.SHUT_WR)
sys.exit(int(link.makefile().read() or 1))
"""
        (folder / "bin").mkdir()
        for name in ("systemctl", "journalctl"):
            (folder / "bin" / name).write_text(shim)
            (folder / "bin" / name).chmod(0o755)
        (folder / "bin/memseal").symlink_to(PROGRAM)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                words = json.loads(link.makefile().read())
                self.calls.append(" ".join(words))
                link.sendall(str(self.answer(*words)).encode())

    def answer(self, name, verb, *words):
        if "memseal" not in (verb, *words):
            return 5
        if name == "journalctl":
            return 0
        if verb in ("stop", "restart"):
            self.stop()
        if verb in ("enable", "start", "restart"):
            return self.start()
        if verb == "reload":
            self.server.send_signal(signal.SIGHUP)
            return 0 if self.wait("READY=1") else 1
        return 0 if verb == "stop" else 1

    def credentials(self):
        """LoadCredential=: copies that the service alone may read."""
        folder = self.folder / "credentials"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        for name, source in re.findall(r"^LoadCredential=([\w-]+):(\S+)$", UNIT, re.M):
            shutil.copyfile(source.replace("/etc/memseal", str(self.etc)), folder / name)
            (folder / name).chmod(0o400)
        return folder

    def start(self):
        env = dict(self.base, NOTIFY_SOCKET=str(self.folder / "notify"))
        credentials = str(self.credentials())
        for name, value in re.findall(r"^Environment=(\w+)=(.*)$", UNIT, re.M):
            env[name] = value.replace("%d", credentials).replace("/etc/memseal", str(self.etc))
        words = re.search(r"^ExecStart=(.*)$", UNIT, re.M).group(1).replace("/usr/bin/memseal", PROGRAM).split()
        with open(self.folder / "log", "ab") as log:
            self.server = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return 0 if self.wait("READY=1") else 1

    def wait(self, state):
        """Whether the service says so before it ends and within TimeoutStartSec=."""
        deadline = time.time() + int(re.search(r"TimeoutStartSec=(\d+)s", UNIT).group(1))
        self.notify.settimeout(0.1)
        while time.time() < deadline:
            try:
                self.states.append(self.notify.recv(4096).decode().splitlines()[0])
                if self.states[-1] == state:
                    return True
            except socket.timeout:
                if self.server.poll() is not None:
                    return False
        return False

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.wait("STOPPING=1")
            self.server.wait(int(re.search(r"TimeoutStopSec=(\d+)s", UNIT).group(1)))

    def close(self):
        self.stop()
        self.listener.close()
        self.notify.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@unittest.skipIf(missing(), missing())
class Run(unittest.TestCase):
    """The blocks of commands, on a database that nothing was done with yet."""

    @classmethod
    def setUpClass(cls):
        cls.at = Deployment()
        cls.addClassCleanup(cls.at.close)
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"DROP DATABASE {cls.at.name} WITH (FORCE)")
        psql(os.environ["MEMSEAL_TEST_PG_SUPER"], f"CREATE DATABASE {cls.at.name}")
        cls.folder = cls.at.folder
        cls.folder.chmod(0o711)  # `backup verify` starts PostgreSQL, which does not run as root
        cls.etc, scratch = cls.folder / "etc", cls.folder / "scratch"
        scratch.mkdir()
        scratch.chmod(0o711)
        (cls.folder / "backups").mkdir()
        own = {"MEMSEAL__POSTGRES__DSN", "MEMSEAL__POSTGRES__MIGRATE_DSN", "MEMSEAL__SEAL__KEYRING_FILE"}
        ports = free_port(), free_port()
        base = {name: value for name, value in cls.at.env.items() if name not in own}
        base.update({"MEMSEAL__HTTP__LISTEN": f"127.0.0.1:{ports[0]}", "MEMSEAL__HTTP__ADMIN_LISTEN": f"127.0.0.1:{ports[1]}"})
        cls.systemd = Systemd(cls.folder, cls.etc, base)
        cls.addClassCleanup(cls.systemd.close)
        app = cls.at.env["MEMSEAL__POSTGRES__DSN"]
        cls.password = "e2e-password"
        cls.env = dict(base, PATH=f"{cls.folder}/bin:{os.environ['PATH']}", TMPDIR=str(scratch), DATABASE=app.split("@", 1)[1],
                       APP_PASSWORD=cls.password, OWNER_DSN=cls.at.owner, BACKUP_DSN=cls.at.owner, RELEASE="next",
                       SERVICE=f"http://127.0.0.1:{ports[0]}", ADMIN=f"http://127.0.0.1:{ports[1]}",
                       WINDOW_S="1", WATCH_S="1",
                       BACKUPS=str(cls.folder / "backups"), EVIDENCE=str(cls.folder / "evidence"), SINCE="2026-01-01")

    def shell(self, blocks):
        script = "\n".join(blocks).replace("/etc/memseal", str(self.etc))
        # By a file, because commands may read the standard input.
        file = self.folder / "script"
        file.write_text(script)
        done = subprocess.run(["bash", "-euxo", "pipefail", str(file)], env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + self.log()[-2000:])
        return done.stdout

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def test_the_checklist_and_the_first_minutes(self):
        install, known, first, before, during, back, after = blocks = shell_blocks("deployment")
        said = self.shell(blocks)
        self.assertEqual(said.count("13 of 13 passed"), 2)
        self.assertEqual(said.count("APPROVED"), 2)
        report = json.loads((self.folder / "backups/before-next.json").read_text())
        self.assertIn(report["verdict"], ("ok", "inconclusive"))
        self.assertEqual((self.etc / "keyring").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.etc / "postgres-dsn").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.systemd.calls, ["systemctl enable --now memseal", "systemctl restart memseal",
                                              "systemctl restart memseal", "journalctl -u memseal --since -1h -p warning"])
        self.assertEqual(self.systemd.states, ["READY=1"] + 2 * ["STOPPING=1", "READY=1"])
        self.assertEqual(self.systemd.answer("systemctl", "reload", "memseal"), 0)
        self.assertEqual(self.systemd.states[-2:], ["RELOADING=1", "READY=1"])

        said = self.shell([known, *shell_blocks("incidents")])
        self.assertRegex(said, r"succeeded +\| +\| +\d+ \| +1\n")
        evidence = {path.name: path.read_text() for path in (self.folder / "evidence").iterdir()}
        self.assertEqual(len(evidence), 9)
        for name, content in evidence.items():
            if name not in ("letters.json", "log.json"):
                self.assertGreater(len(content), 50, name)
        self.assertIn("memseal_build_info", evidence["metrics.txt"])
        keys = [line.split()[-1] for line in (self.etc / "keyring").read_text().splitlines() if len(line.split()[-1]) > 30]
        self.assertGreater(len(keys), 3)
        for secret in [self.password, *keys]:
            for name, content in evidence.items():
                self.assertNotIn(secret, content, name)
        self.assertEqual((self.folder / "evidence").stat().st_mode & 0o777, 0o700)

        header = self.folder / "admin-header"
        header.touch(mode=0o600)
        header.write_text(f"Authorization: Bearer {self.at.admin_token}\n")
        switches = re.findall(r'`(curl -H @admin-header -X POST "\$ADMIN/\S+")`', text_of("incidents"))
        self.assertEqual(len(switches), 2)
        for switch in switches:
            self.shell([switch.replace("curl ", "curl -fsS ")])


if __name__ == "__main__":
    unittest.main()
