"""The Debian package of the program: what is in it, on what it depends, its unit, its pages, its scripts.

Needs the target memseal of build/release.
"""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MEMSEAL_PACKAGE_BUILD", ROOT / "build/release"))
UNIT = "usr/lib/systemd/system/memseal.service"


def call(*words, **more):
    done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def settings_of_unit(text):
    """(name, value) of each line, of all sections."""
    return re.findall(r"^(\w+)=(.*)$", text, re.M)


class Deb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="memseal-deb-")
        cls.addClassCleanup(folder.cleanup)
        at = Path(folder.name)
        # As on a machine whose umask lets nobody else read.
        call("bash", "-c", 'umask 077 && exec "$@"', "-", "cpack", "--config", BUILD / "CPackConfig.cmake",
             "-D", "CPACK_COMPONENTS_ALL=program;service", "-B", at / "deb")
        cls.files = list((at / "deb").glob("*.deb"))
        cls.deb = cls.files[0]
        cls.tree, cls.control = at / "tree", at / "control"
        call("dpkg-deb", "-x", cls.deb, cls.tree)
        call("dpkg-deb", "-e", cls.deb, cls.control)
        cls.program = cls.tree / "usr/bin/memseal"
        cls.unit = (cls.tree / UNIT).read_text()

    def field(self, name):
        return call("dpkg-deb", "-f", self.deb, name).strip()

    def test_it_says_what_it_is_and_what_it_needs(self):
        self.assertEqual([path.name for path in self.files],
                         [f"memseal_{self.field('Version')}_{self.field('Architecture')}.deb"])
        self.assertEqual(self.field("Package"), "memseal")
        version = call(self.program, "--version").split()[1]
        release = re.search(r'^VERSION_ID="?([\d.]+)', Path("/etc/os-release").read_text(), re.M).group(1)
        self.assertEqual(self.field("Version"), f"{version}-1+deb{release}")
        self.assertEqual(self.field("Architecture"), call("dpkg", "--print-architecture").strip())
        self.assertRegex(self.field("Description"), r"^memory and knowledge service [^\n]*\n Events come in [^\n]*\n ")
        # Each library that the program loads comes with a package that it depends on.
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", call("readelf", "-d", self.program)))
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", call("readelf", "-d", self.tree / "usr/bin/memseal-extract")))
        self.assertLess({"libpq.so.5", "libexpat.so.1"}, needed)
        depends = {part.split()[0] for part in self.field("Depends").split(",")}
        found = dict(re.findall(r"^\s*(\S+) => (/\S+)",
                                call("ldd", self.program, self.tree / "usr/bin/memseal-extract"), re.M))
        paths = {name: Path(found[name]).resolve() for name in needed if not name.startswith("ld-")}
        listed = call("dpkg", "-S", *(f"*/{path.parent.name}/{path.name}" for path in paths.values()))
        owners = {Path(path).name: owner for owner, path in re.findall(r"^([^:,\n]+).*: (/\S+)$", listed, re.M)}
        provided = dict(re.findall(r"^([^,\n]+),(.*)$", call("dpkg-query", "-W", "-f", "${Package},${Package} ${Provides}\n",
                                                              *owners.values()), re.M))
        for library, path in paths.items():
            self.assertTrue(depends & set(re.findall(r"[\w.+-]+", provided[owners[path.name]])), library)
        self.assertNotRegex(call("readelf", "-d", self.program), "RPATH|RUNPATH")

    def test_it_has_what_a_machine_needs_and_nothing_else(self):
        files = {str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if not path.is_dir()}
        manual = {name for name in files if name.startswith("usr/share/man/man1/memseal")}
        sql = {f"usr/share/memseal/{path.relative_to(ROOT / 'config')}" for folder in ("migrations", "backup", "verify")
               for path in (ROOT / "config" / folder).glob("*.sql")}
        completions = {f"usr/share/{name}": shell for name, shell in (
            ("bash-completion/completions/memseal", "bash"), ("zsh/vendor-completions/_memseal", "zsh"),
            ("fish/vendor_completions.d/memseal.fish", "fish"))}
        pages = {f"usr/share/doc/memseal/docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
        proxy = {f"usr/share/doc/memseal/examples/haproxy/{path.name}" for path in (ROOT / "deploy/haproxy").iterdir()}
        notices = {name for name in files if name.startswith("usr/share/doc/memseal/pdfium/")}
        self.assertIn("usr/share/doc/memseal/pdfium/BUILD_LICENSES/pdfium.txt", notices)
        self.assertEqual(files - manual - sql - set(completions) - notices - pages - proxy, {
            "usr/bin/memseal", "usr/bin/memseal-extract", "usr/lib/memseal/libpdfium.so", UNIT, "usr/share/doc/memseal/copyright", "usr/share/doc/memseal/NOTICE",
            "usr/share/doc/memseal/examples/memseal.yaml"})
        self.assertLess(sql | pages | proxy, files)
        for name, shell in completions.items():
            self.assertEqual((self.tree / name).read_text(), call(self.program, "completion", shell))
        with tempfile.TemporaryDirectory() as folder:
            call(self.program, "man", "--quiet", "--dir", folder)
            self.assertEqual({Path(name).name for name in manual}, {path.name for path in Path(folder).iterdir()})
            self.assertGreater(len(manual), 30)

    def test_every_file_is_roots_and_readable(self):
        listed = call("dpkg-deb", "-c", self.deb).splitlines()
        for line in listed:
            mode, owner, name = line.split()[0], line.split()[1], line.split()[5]
            self.assertEqual(owner, "root/root", line)
            may_run = name.endswith("/") or name in ("./usr/bin/memseal", "./usr/bin/memseal-extract")
            self.assertEqual(mode[1:], "rwxr-xr-x" if may_run else "rw-r--r--", line)

    def test_its_example_is_a_configuration(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MEMSEAL_", "MEMORY_"))}
        example = self.tree / "usr/share/doc/memseal/examples/memseal.yaml"
        done = subprocess.run([self.program, "config", "show", "-c", example, "--json"], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(example.read_text(), r"(?m)^ +(dsn|migrate_dsn|url|\w*_key|password):", "no secret is made")

    def test_its_scripts_start_nothing_and_delete_nothing(self):
        scripts = {path.name: path for path in self.control.iterdir() if path.name not in ("control", "md5sums")}
        self.assertEqual(set(scripts), {"postinst", "prerm", "postrm"})
        call("shellcheck", *scripts.values())
        for name, path in scripts.items():
            commands = re.findall(r"^\s+(\w.*)$", path.read_text(), re.M)
            for command in commands:
                self.assertRegex(command, r"^systemctl (daemon-reload|--no-reload disable --now memseal\.service) \|\| true$",
                                 name)
        # A machine without systemd is no failure.
        if not Path("/run/systemd/system").exists():
            for name, word in (("postinst", "configure"), ("prerm", "remove"), ("postrm", "purge")):
                self.assertEqual(call(scripts[name], word), "")

    def here(self, folder):
        """The unit as this machine may judge it: with the program of the package."""
        path = Path(folder) / "memseal.service"
        path.write_text(self.unit.replace("/usr/bin/memseal", str(self.program)))
        return path

    def test_systemd_understands_the_unit(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(call("systemd-analyze", "verify", "--man=no", self.here(folder)), "")
            broken = self.here(folder)
            broken.write_text(broken.read_text().replace("ProtectSystem=strict", "ProtectSystem=stict"))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", broken], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60)
            self.assertIn("stict", done.stdout, "what is wrong is found")

    def test_the_unit_shuts_the_service_in(self):
        with tempfile.TemporaryDirectory() as folder:
            # 10 is the worst, and 1.5 is what is left where kernels are compiled at run time and the network is used.
            call("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", self.here(folder))
        values = dict(settings_of_unit(self.unit))
        self.assertEqual(values["Type"], "notify")
        for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
            self.assertEqual(values[name], "yes", name)
        self.assertEqual((values["ProtectSystem"], values["CapabilityBoundingSet"]), ("strict", ""))
        drain = int(re.search(r"drain_timeout_ms: (\d+)", (self.tree / "usr/share/doc/memseal/examples/memseal.yaml")
                              .read_text()).group(1))
        self.assertGreater(int(values["TimeoutStopSec"].rstrip("s")) * 1000, drain)

    def test_the_unit_names_settings_that_exist_and_secrets_by_file(self):
        known = set(re.findall(r"\[(MEMSEAL__\w+)\]", (self.tree / "usr/share/doc/memseal/examples/memseal.yaml").read_text()))
        credentials = dict(re.findall(r"LoadCredential=([\w-]+):(\S+)$", self.unit, re.M))
        self.assertEqual(set(credentials), {"keyring", "postgres-dsn", "redis-url"})
        named = re.findall(r"Environment=(MEMSEAL__\w+)=(\S+)$", self.unit, re.M)
        self.assertGreater(len(named), 3)
        for name, value in named:
            if name not in known:
                self.assertTrue(name.endswith("_FILE") and name[:-5] in known, name)
            if value.startswith("%d/"):
                self.assertIn(value[3:], credentials, name)
            self.assertNotRegex(name, "DSN$|_KEY$|REDIS__URL$", "a secret is no value of the environment")

    def test_its_pages_are_sound(self):
        pages = sorted((self.tree / "usr/share/man/man1").iterdir())
        done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", *map(str, pages)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
