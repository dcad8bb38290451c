"""deploy/kubernetes: its objects hold against the schemas of the oldest and the newest release of Kubernetes, every
setting in them exists, secrets come by file alone, pods have no rights that they do not need, and the overlay changes
objects that the base has. docker-compose.yml names settings that exist too."""
import copy
import json
import re
import subprocess
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes"
BASE, OVERLAY = DEPLOY / "base", DEPLOY / "overlays/example"
RELEASES = sorted((ROOT / ".deps/kubernetes").glob("v*"))
# Name in the environment → whether the value is a secret.
SETTINGS = {f"MEMSEAL__{key.upper().replace('.', '__')}": value == "secret text"
            for key, value in re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| [^|]* \| ([^|]*) \|", (ROOT / "docs/settings.md").read_text(), re.M)}


def read(folder, kustomization=None):
    """The objects of each file that a kustomization names."""
    names = kustomization or yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [item for name in names for item in yaml.safe_load_all((folder / name).read_text())]


OBJECTS = read(BASE)
PATCHES = read(OVERLAY, [patch["path"] for patch in yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())["patches"]])
KUSTOMIZATIONS = {folder: yaml.safe_load((folder / "kustomization.yaml").read_text()) for folder in (BASE, OVERLAY)}
PODS = {item["metadata"]["name"]: item["spec"]["template"] for item in OBJECTS if "template" in item["spec"]}


def complaints(objects, release):
    done = subprocess.run([ROOT / ".deps/clients/bin/python", ROOT / "tests/tools/kubernetes_schema.py", release],
                          input=json.dumps(objects), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else "failed: " + done.stdout


def patched(value, patch):
    """A strategic merge: containers are merged by name, another list is replaced."""
    if isinstance(value, dict) and isinstance(patch, dict):
        return {**value, **{key: patched(value.get(key), part) for key, part in patch.items()}}
    if isinstance(value, list) and all(isinstance(part, dict) and "name" in part for part in value + patch):
        named = {part["name"]: part for part in value}
        return list({**named, **{part["name"]: patched(named.get(part["name"]), part) for part in patch}}.values())
    return patch


def overlaid():
    """The objects of the base with the patches of the overlay."""
    patches = {(item["kind"], item["metadata"]["name"]): item for item in PATCHES}
    return [patched(item, patches.get((item["kind"], item["metadata"]["name"]), {})) for item in OBJECTS]


def generated(kustomization):
    """The settings that a kustomization makes."""
    for entry in kustomization["configMapGenerator"]:
        for literal in entry["literals"]:
            yield literal.split("=", 1)


def environment(pod):
    for container in pod["spec"]["containers"]:
        for entry in container.get("env", ()):
            yield entry["name"], entry["value"]


class Kubernetes(unittest.TestCase):
    def test_the_objects_hold_against_the_schemas(self):
        self.assertEqual([path.name for path in RELEASES], ["v1.29.0", "v1.37.0"])
        maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "memseal-settings"},
                 "data": dict(generated(each))} for each in KUSTOMIZATIONS.values()]
        for release in RELEASES:
            self.assertEqual(complaints(OBJECTS + overlaid() + maps, release), "", release.name)

    def test_a_wrong_object_is_found(self):
        broken = copy.deepcopy(next(item for item in OBJECTS if item["kind"] == "Deployment"))
        broken["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
        broken["spec"]["replicas"] = "two"
        found = complaints([broken, {"apiVersion": "apps/v2", "kind": "Deployment", "metadata": {"name": "x"}}], RELEASES[0])
        for words in ("readyProbe", "spec.replicas", "has no Deployment of apps/v2"):
            self.assertIn(words, found)

    def test_no_file_is_forgotten(self):
        for folder, kustomization in KUSTOMIZATIONS.items():
            named = [name for name in kustomization["resources"] if name.endswith(".yaml")]
            named += [patch["path"] for patch in kustomization.get("patches", ())]
            self.assertEqual({path.name for path in folder.iterdir()}, {"kustomization.yaml", *named})
        self.assertTrue((OVERLAY / KUSTOMIZATIONS[OVERLAY]["resources"][0]).samefile(BASE))

    def test_the_overlay_changes_what_the_base_has(self):
        there = {(item["kind"], item["metadata"]["name"]) for item in OBJECTS}
        for item in PATCHES:
            self.assertIn((item["kind"], item["metadata"]["name"]), there)
        containers = {container["name"]: container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]}
        for item in PATCHES:
            for container in item["spec"].get("template", {"spec": {}})["spec"].get("containers", ()):
                self.assertIn(container["name"], containers)
        overlay = KUSTOMIZATIONS[OVERLAY]
        self.assertEqual({image["name"] for image in overlay["images"]}, set(containers.values()))
        self.assertLessEqual({entry["name"] for entry in overlay["replicas"]}, {name for _, name in there})
        for entry in overlay["configMapGenerator"]:
            self.assertEqual((entry["behavior"], entry["name"]), ("merge", KUSTOMIZATIONS[BASE]["configMapGenerator"][0]["name"]))
        release = dict(generated(overlay))["MEMSEAL__RUNTIME__RELEASE"]
        self.assertEqual(release, overlay["images"][0]["newTag"], "metrics tell releases apart by this")

    def test_every_setting_exists_and_no_secret_is_a_value(self):
        self.assertGreater(len(SETTINGS), 50)
        self.assertTrue(SETTINGS["MEMSEAL__POSTGRES__DSN"])
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        composed = [pair for service in compose.values() for pair in service.get("environment", {}).items()
                    if pair[0].startswith("MEMSEAL__")]
        self.assertGreater(len(composed), 10)
        for name, _ in composed:
            self.assertTrue(name in SETTINGS or name.removesuffix("_FILE") in SETTINGS, f"docker-compose.yml: {name}")
        for name, value in [pair for pod in PODS.values() for pair in environment(pod)] + [
                pair for each in KUSTOMIZATIONS.values() for pair in generated(each)]:
            from_file = name not in SETTINGS and name.endswith("_FILE")
            setting = name[:-len("_FILE")] if from_file else name
            self.assertIn(setting, SETTINGS)
            self.assertEqual(SETTINGS[setting], from_file, f"{name}: a secret comes from a file, and nothing else does")
            if from_file or setting == "MEMSEAL__SEAL__KEYRING_FILE":
                self.assertRegex(value, "^/run/secrets/", name)
        self.assertNotIn("Secret", {item["kind"] for item in OBJECTS + PATCHES})
        for kustomization in KUSTOMIZATIONS.values():
            self.assertNotIn("secretGenerator", kustomization)

    def test_each_file_of_a_secret_is_mounted(self):
        for name, pod in PODS.items():
            secrets = {volume["name"]: volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume}
            for container in pod["spec"]["containers"]:
                mounted = {mount["mountPath"]: secrets[mount["name"]] for mount in container["volumeMounts"]
                           if mount["name"] in secrets}
                words = [value for _, value in environment(pod)] + container["args"]
                files = [Path(word) for word in words if word.startswith("/run/secrets/")]
                self.assertGreaterEqual(len(files), 3, name)
                for file in files:
                    secret = mounted[str(file.parent)]
                    self.assertEqual(secret["secretName"], file.parent.name)
                    self.assertIn(file.name, [item["path"] for item in secret.get("items", [{"path": file.name}])])
                for secret in mounted.values():
                    self.assertEqual(secret["defaultMode"], 0o400)
        service = [volume.get("secret", {}).get("secretName") for volume in PODS["memseal"]["spec"]["volumes"]]
        self.assertNotIn("memseal-migration", service, "the service never sees the owner's address")

    def test_pods_have_no_rights_that_they_do_not_need(self):
        self.assertEqual(set(PODS), {"memseal", "memseal-migration"})
        for name, pod in PODS.items():
            spec = pod["spec"]
            self.assertIs(spec["automountServiceAccountToken"], False, name)
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True, name)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, name)
            user = str(spec["securityContext"]["runAsUser"])
            self.assertIn(f"--uid {user} ", (ROOT / "Dockerfile").read_text(), name)
            for container in spec["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, name)
                self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"}, name)
                self.assertIn("memory", container["resources"]["limits"], name)

    def test_objects_select_the_pods_that_they_mean(self):
        labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
        for item in OBJECTS:
            spec, name = item["spec"], item["metadata"]["name"]
            if item["kind"] == "Service":
                selected = spec["selector"]
                ports = {port["name"] for port in PODS["memseal"]["spec"]["containers"][0]["ports"]}
                self.assertLessEqual({port["targetPort"] for port in spec["ports"]}, ports)
                self.assertNotIn("admin", [port["targetPort"] for port in spec["ports"]], "it asks for no token")
            elif item["kind"] == "NetworkPolicy":
                selected = spec["podSelector"]["matchLabels"]
                self.assertEqual(spec["policyTypes"], ["Ingress", "Egress"])
            elif item["kind"] == "Job":
                continue
            else:
                selected = spec["selector"]["matchLabels"]
            self.assertEqual(selected, labels[name], f"{item['kind']} {name}")
        guarded = {item["metadata"]["name"] for item in OBJECTS if item["kind"] == "NetworkPolicy"}
        self.assertEqual(guarded, set(PODS))

    def test_the_service_is_asked_where_it_answers_and_has_time_to_drain(self):
        spec = PODS["memseal"]["spec"]
        container = spec["containers"][0]
        paths = json.loads((ROOT / "config/openapi.json").read_text())["paths"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertIn(container[probe]["httpGet"]["path"], paths, probe)
            self.assertIn(container[probe]["httpGet"]["port"], [port["name"] for port in container["ports"]])
        self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/ready")
        # Liveness does no I/O: else a database that is unavailable would restart every pod.
        self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/health")
        drain = int(re.search(r"`runtime.drain_timeout_ms` \| `(\d+)`", (ROOT / "docs/settings.md").read_text()).group(1)) / 1000
        waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        self.assertGreater(spec["terminationGracePeriodSeconds"], waits + drain)
        listens = dict(environment(PODS["memseal"]))
        for port in container["ports"]:
            name = {"http": "MEMSEAL__HTTP__LISTEN", "admin": "MEMSEAL__HTTP__ADMIN_LISTEN"}[port["name"]]
            self.assertEqual(listens[name], f"0.0.0.0:{port['containerPort']}")


if __name__ == "__main__":
    unittest.main()
