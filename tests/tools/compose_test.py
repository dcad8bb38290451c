"""docker-compose.yml: what each container may do and reach, and the passwords that it makes. No engine takes part."""
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from services import SERVICE_OPERATIONS  # noqa: E402

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ONE_SHOT = {"keys", "migrate", "acls", "topics"}
SECRETS = {  # volume -> who mounts it
    "app-secrets": {"keys", "memseal", "memseal-gpu"}, "owner-secrets": {"keys", "migrate"},
    "postgres-secrets": {"keys", "postgres"}, "redis-secrets": {"keys", "redis"},
    "kafka-secrets": {"keys", "kafka", "acls"}, "producer-secrets": {"keys", "topics"},
    "${MEMSEAL_KEYS:-keys}": {"keys", "migrate", "memseal", "memseal-gpu"}}


class ComposeTest(unittest.TestCase):
    def test_every_container_is_hardened(self):
        for name, service in SERVICES.items():
            with self.subTest(name):
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertNotIn("cap_add", service)
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertIs(service["read_only"], True)
                self.assertGreater(service["pids_limit"], 0)
                self.assertRegex(service["mem_limit"], r"^\d+[mg]$")
                self.assertNotIn("privileged", service)
                for place in service.get("tmpfs", []):
                    self.assertRegex(place, r"^/[a-z/]+:size=\d+m,mode=1777", "memory without a bound")
                # An exact version: neither a moving tag nor a part of one.
                self.assertRegex(service["image"], r"^[a-z/]+:v?\d+\.\d+\.\d+[a-z0-9-]*$")
                if name not in ONE_SHOT:
                    self.assertIn("test", service["healthcheck"])
                for port in service.get("ports", []):
                    self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_networks_are_apart(self):
        inside = {network: {name for name, one in SERVICES.items() if network in one.get("networks", [])}
                  for network in COMPOSE["networks"]}
        ours = {"memseal", "memseal-gpu"}
        self.assertEqual(inside, {"data": {"postgres", "redis", "migrate"} | ours, "events": {"kafka", "acls", "topics"} | ours,
                                  "producers": {"kafka"}, "edge": {"prometheus", "alertmanager", "grafana"} | ours})
        closed = {name for name, network in COMPOSE["networks"].items() if (network or {}).get("internal")}
        self.assertEqual(closed, {"data", "events"})
        self.assertEqual(SERVICES["keys"]["network_mode"], "none")

    def test_secrets_are_files_of_those_who_need_them(self):
        mounted = {}
        for name, service in SERVICES.items():
            for volume in service.get("volumes", []):
                source, target = volume.rsplit(":ro", 1)[0].rsplit(":", 1)
                mounted.setdefault(source, set()).add(name)
                if target.startswith(("/secrets", "/keys")) and name != "keys":
                    self.assertTrue(volume.endswith(":ro"), f"{name} may write {volume}")
            for key, value in service.get("environment", {}).items():
                if name == "keys":  # passwords of an older database, empty otherwise
                    self.assertRegex(str(value), r"^\$\{\w+:-\}$")
                elif re.search(r"PASSWORD|TOKEN|SECRET|DSN|REDIS__URL|PROPERTIES|_KEY$", key):
                    self.assertTrue(key.endswith("_FILE") and value.startswith("/secrets/"), f"{name}: {key}")
        self.assertEqual({source: mounted[source] for source in SECRETS}, SECRETS)

    def test_passwords_are_made_once_each_its_own(self):
        with tempfile.TemporaryDirectory() as base:
            for volume in SECRETS:
                if volume.endswith("-secrets"):
                    (Path(base) / volume.removesuffix("-secrets")).mkdir()
            words, env = ["sh", ROOT / "deploy/compose/make-secrets", base], {"PATH": os.environ["PATH"]}
            # Of files with one password the one that it is made of is gone.
            half = Path(base) / "app/postgres-dsn"
            half.write_text("half of an earlier set")
            refused = subprocess.run(words, env=env, stderr=subprocess.PIPE, text=True)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("has app/postgres-dsn, and owner/app-password with the same password is gone", refused.stderr)
            self.assertEqual([path for path in Path(base).rglob("*") if path.is_file()], [half])
            half.unlink()
            subprocess.run(words, env=env, check=True)
            files = {str(path.relative_to(base)): path for path in Path(base).rglob("*") if path.is_file()}
            text = {name: path.read_text() for name, path in files.items()}
            # What compose mounts and names is there.
            for service in SERVICES.values():
                for value in re.findall(r"/secrets/([\w/.-]+)", str(service)):
                    self.assertTrue(value in files or value in {Path(name).parent.name for name in files}, value)
            for name, path in files.items():
                own = name.split("/")[0] in ("app", "owner")  # of memseal's, which refuses others
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600 if own else 0o644, name)
            passwords = [text["postgres/password"], text["owner/app-password"], text["redis/password"], text["app/admin-token"],
                         *(line.split()[1] for line in text["kafka/users"].splitlines())]
            self.assertEqual(len(set(passwords)), 7)
            for password in passwords:
                self.assertRegex(password, r"^[0-9a-f]{48}$")
            superuser, app = passwords[:2]
            self.assertEqual(text["app/postgres-dsn"], f"postgresql://app_user:{app}@postgres:5432/memseal")
            self.assertEqual(text["owner/postgres-migrate-dsn"], f"postgresql://postgres:{superuser}@postgres:5432/memseal")
            self.assertNotIn(superuser, "".join(content for name, content in text.items() if name.startswith("app/")))
            self.assertRegex(text["app/kafka-properties"], r"^security.protocol=sasl_plaintext,.*,sasl.username=memseal,"
                                                           rf"sasl.password={passwords[5]}$")
            subprocess.run(words, env=env, check=True)
            self.assertEqual({name: path.read_text() for name, path in files.items()}, text)
            # What lacks is made of what is there: servers know these passwords.
            for name in ("owner/complete", "app/kafka-properties", "redis/valkey.conf", "owner/postgres-migrate-dsn"):
                files[name].unlink()
            subprocess.run(words, env=env, check=True)
            self.assertEqual({name: path.read_text() for name, path in files.items()}, text)
        with tempfile.TemporaryDirectory() as base:
            for name in ("app", "owner", "postgres", "redis", "kafka", "producer"):
                (Path(base) / name).mkdir()
            older = {**env, "MEMSEAL_POSTGRES_PASSWORD": "of-before", "MEMSEAL_APP_PASSWORD": "also-of-before",
                     "MEMSEAL_ADMIN_TOKEN": "a-token-of-before"}
            subprocess.run(["sh", ROOT / "deploy/compose/make-secrets", base], env=older, check=True)
            self.assertEqual((Path(base) / "postgres/password").read_text(), "of-before")
            self.assertEqual((Path(base) / "app/admin-token").read_text(), "a-token-of-before")
            self.assertIn(":also-of-before@", (Path(base) / "app/postgres-dsn").read_text())

    def test_memseal_may_do_what_the_end_to_end_tests_let_it(self):
        rules = (ROOT / "deploy/compose/acls").read_text().replace("\\\n", " ")
        of_topics = re.search(r"^allow memseal (.*)--topic memory\. --resource-pattern-type prefixed$", rules, re.M)[1]
        self.assertEqual(set(re.findall(r"--operation (\w+)", of_topics)), set(SERVICE_OPERATIONS))
        self.assertRegex(rules, r"(?m)^allow memseal --operation Read --group memseal$")
        self.assertRegex(rules, r"(?m)^allow memseal --operation Delete --topic memory\.upload\.v1\.dlq "
                                r"--topic memory\.chat\.v1\.dlq$")
        self.assertEqual(len(re.findall(r"(?m)^allow ", rules)), 4)
        self.assertRegex(rules, r"(?m)^allow producer --operation Write --operation Describe --topic memory\.upload\.v1 "
                                r"--topic memory\.chat\.v1$")
        for script in (ROOT / "deploy/compose").iterdir():
            subprocess.run(["sh", "-n", script], check=True)


if __name__ == "__main__":
    unittest.main()
