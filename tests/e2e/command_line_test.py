"""The command line as a person and a shell meet it: completion in a real bash, manual pages through a real
formatter, files that are full, pipes that close, colours on a terminal, and what `cmake --install` puts where."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import Deployment, missing

PROGRAM = os.environ.get("MEMSEAL_PROGRAM", "")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("MEMSEAL_")}


def run(*words, **more):
    more.setdefault("env", ENVIRONMENT)
    return subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, stdout=more.pop("stdout", subprocess.PIPE),
                          stderr=subprocess.PIPE, text=True, timeout=60, **more)


@unittest.skipIf(missing(), missing())
class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="memseal-completion-"))
        cls.script = cls.folder / "memseal.bash"
        cls.script.write_text(run("completion", "bash").stdout)
        (cls.folder / "notes.md").touch()
        (cls.folder / "below").mkdir()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def complete(self, *words):
        """What bash offers for the last of `words`, by the function that `complete` names."""
        ask = ('source "$1"; shift; complete -p memseal | grep -q -- "-F _memseal memseal" || exit 1; '
               'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _memseal; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-uc", ask, "bash", str(self.script), "memseal", *words], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_commands(self):
        self.assertEqual(self.complete("que"), ["query"])
        self.assertEqual(self.complete("keys", "in"), ["init"])
        self.assertEqual(self.complete("--json", "-c", "keys", "publish", "ch"), ["chat"])
        self.assertEqual(set(self.complete("config", "")) & {"check", "init", "show", "table"},
                         {"check", "init", "show", "table"})
        self.assertEqual(self.complete("help", "que"), ["query"])

    def test_options(self):
        self.assertEqual(self.complete("query", "--to"), ["--token", "--token-file", "--top-k"])
        self.assertEqual(self.complete("version", "--js"), ["--json"])
        self.assertEqual(self.complete("query", "x", "--ins"), ["--insecure"])
        self.assertNotIn("--top-k", self.complete("version", "--"))

    def test_values(self):
        self.assertEqual(self.complete("query", "--source", ""), ["chat", "upload", "api"])
        self.assertEqual(self.complete("bench", "rerank", "--device", "cu"), ["cuda"])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])
        self.assertEqual(self.complete("serve", "--set", "http.lis"), ["http.listen="])
        self.assertEqual(self.complete("token", "mint", "--user", ""), [])
        # For a file or a folder bash completes by itself.
        self.assertEqual(self.complete("serve", "-c", "no"), [])
        self.assertEqual(self.complete("publish", "upload", "--user", "a", "no"), [])

    def test_other_shells_read_their_scripts(self):
        for shell, flag in (("zsh", "-n"), ("fish", "-n")):
            path = shutil.which(shell)
            script = self.folder / shell
            script.write_text(run("completion", shell).stdout)
            self.assertIn("memseal keys init", script.read_text())
            self.assertTrue(path, f"{shell} is missing: scripts/deps --test installs it")
            done = subprocess.run([path, flag, str(script)], stderr=subprocess.PIPE, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


@unittest.skipIf(missing(), missing())
class Pages(unittest.TestCase):
    def test_every_page_is_sound(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run("man", "--dir", folder).returncode, 0)
            pages = sorted(Path(folder).iterdir())
            self.assertGreater(len(pages), 20)
            for page in pages:
                text = page.read_text()
                self.assertTrue(text.isascii(), page.name)
                requests = set(re.findall(r"^[.'](\w+)", text, re.M))
                self.assertLessEqual(requests, {"TH", "SH", "SS", "TP", "PP", "nf", "fi"}, page.name)
            self.assertTrue(shutil.which("groff"), "groff is missing: scripts/deps --test installs it")
            done = subprocess.run(["groff", "-man", "-ww", "-Tascii", *map(str, pages)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            plain = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
            self.assertIn("memseal query [OPTION...] TEXT...", plain)
            self.assertIn("export MEMSEAL_TOKEN=$(memseal token mint --user alice)", plain)

    def test_install_puts_them_where_shells_and_man_look(self):
        build = Path(PROGRAM).parent
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["cmake", "--install", str(build), "--component", "program", "--prefix", folder],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in ("bin/memseal", "share/bash-completion/completions/memseal",
                         "share/zsh/site-functions/_memseal", "share/fish/vendor_completions.d/memseal.fish",
                         "share/man/man1/memseal.1", "share/man/man1/memseal-keys-init.1",
                         "share/memseal/migrations/0001_init.up.sql"):
                self.assertGreater((Path(folder) / name).stat().st_size, 0, name)
            bash = (Path(folder) / "share/bash-completion/completions/memseal").read_text()
            self.assertEqual(bash, run("completion", "bash").stdout)


@unittest.skipIf(missing(), missing())
class Documents(unittest.TestCase):
    """Each command line that a document shows names commands and options that exist."""

    @classmethod
    def setUpClass(cls):
        cls.commands = set(re.findall(r"'(memseal [a-z -]+)'", run("completion", "bash").stdout)) | {"memseal"}
        cls.known = {}

    def options_of(self, command):
        if command not in self.known:
            text = run(*command.split()[1:], "--help").stdout
            everywhere = self.options_of("memseal") if command != "memseal" else set()
            self.known[command] = everywhere | set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
        return self.known[command]

    def complaint(self, line):
        words, place = line.split(), "memseal"
        while words and f"{place} {words[0]}" in self.commands:
            place += " " + words.pop(0)
        has_commands = any(name.startswith(place + " ") for name in self.commands)
        if has_commands and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            return f"no command {place} {words[0]}"
        wrong = [word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word.partition("=")[0])
                 and word.partition("=")[0] not in self.options_of(place)]
        return f"{place} has no {wrong[0]}" if wrong else None

    def test_they_show_commands_that_exist(self):
        root, checked, wrong = Path(__file__).resolve().parents[2], 0, []
        for page in [root / "README.md", root / "SECURITY.md", *sorted((root / "docs").glob("*.md"))]:
            text = page.read_text()
            shown = re.findall(r"^(?:```\w*\n(.*?)^```$)", text, re.M | re.S)
            shown += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
            shown += re.findall(r"^    (\S.*)$", text, re.M)
            for line in "\n".join(shown).replace("\\\n", " ").splitlines():
                if re.match(r"kubectl|journalctl", line):  # "memseal" is a namespace or a unit there
                    continue
                line = re.sub(r"\$\((?!memseal)[^)]*\)", "X", line)
                for call in re.findall(r"(?:^|[\s(])(?:build/release/)?memseal((?: [^\s|&;)<>#…]+)+)", line):
                    checked += 1
                    if (fault := self.complaint(call)) is not None:
                        wrong.append(f"{page.name}: {fault}: {line.strip()}")
        self.assertGreater(checked, 250)
        self.assertEqual(wrong, [], "\n".join(wrong))


@unittest.skipIf(missing(), missing())
class Output(unittest.TestCase):
    def test_a_full_disk_is_a_failure(self):
        keys = {f"MEMSEAL__SEAL__{name}_KEY": os.urandom(32).hex() for name in ("TENANT_HMAC", "ENCRYPTION", "TOKEN")}
        for words in (["version"], ["config", "show"], ["config", "table"], ["config", "init"], ["completion", "bash"],
                      ["--help"], ["token", "mint", "--user", "a"], ["models", "list"],
                      ["publish", "upload", "--dry-run", "--user", "a", __file__]):
            with open("/dev/full", "w") as full:
                done = run(*words, stdout=full, env={**ENVIRONMENT, **keys})
            self.assertEqual(done.returncode, 1, (words, done.stderr))
            self.assertEqual(done.stderr, "memseal: cannot write the output: No space left on device\n")

    def test_a_reader_that_has_enough_ends_it_quietly(self):
        for words in ("config table", "config show --json", "completion bash", "man"):
            done = subprocess.run(["bash", "-c", f'set -o pipefail; "{PROGRAM}" {words} | head -n 1'],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, env=ENVIRONMENT)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_a_closed_output_is_a_failure(self):
        done = subprocess.run(["bash", "-c", f'"{PROGRAM}" version >&-'], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the output", done.stderr)


@unittest.skipIf(missing(), missing())
class Terminal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.at = Deployment()

    @classmethod
    def tearDownClass(cls):
        cls.at.close()

    def log_on_a_terminal(self, **env):
        """What `serve` shows on a terminal until it is ready."""
        outer, inner = pty.openpty()
        env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", **env}
        kept = {key: value for key, value in self.at.service_env().items() if key != "NO_COLOR"}
        server = subprocess.Popen([PROGRAM, "serve"], env={**kept, **env}, stdin=subprocess.DEVNULL,
                                  stdout=inner, stderr=inner)
        os.close(inner)
        shown, deadline = b"", time.time() + 60
        try:
            while b"serves on port" not in shown and time.time() < deadline:
                if select.select([outer], [], [], 1)[0]:
                    shown += os.read(outer, 4096)
        finally:
            server.terminate()
            while True:
                try:
                    shown += os.read(outer, 4096)
                except OSError:  # the other end is closed
                    break
            server.wait(30)
            os.close(outer)
        self.assertIn(b"serves on port", shown)
        self.assertIn(b"service.stopped", shown)
        return shown

    def test_colours_are_for_terminals_that_want_them(self):
        self.assertIn(b"\x1b[", self.log_on_a_terminal())
        self.assertIn(b"\x1b[", self.log_on_a_terminal(NO_COLOR=""))
        self.assertNotIn(b"\x1b", self.log_on_a_terminal(NO_COLOR="1"))
        self.assertNotIn(b"\x1b", self.log_on_a_terminal(TERM="dumb"))

    def test_ready_is_one_line_of_json(self):
        server = subprocess.Popen([PROGRAM, "--json", "serve"], env=self.at.service_env(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = json.loads(server.stdout.readline())
        self.assertGreater(ready["port"], 0)
        server.terminate()
        self.assertEqual(server.stdout.read(), "")
        self.assertEqual(server.wait(30), 0)
        server.stdout.close()


if __name__ == "__main__":
    unittest.main()
