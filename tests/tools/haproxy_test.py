"""deploy/haproxy: HAProxy takes the configuration, the maps say that the canary gets nobody, and the example for the Gateway API
splits all of the traffic."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CONFIGURATION = (DEPLOY / "haproxy/haproxy.cfg").read_text()


def complaints(text):
    """What HAProxy says of a configuration that it does not take; empty: it takes it without a warning."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dial.map", "slots.map"):
            Path(folder, name).write_text((DEPLOY / "haproxy" / name).read_text())
        path = Path(folder, "haproxy.cfg")
        path.write_text(text)
        env = dict(os.environ, PROXY_LISTEN="127.0.0.1:7400", PROXY_OPS="127.0.0.1:7404", PROXY_MAPS=folder,
                   PROXY_SOCKET=f"{folder}/haproxy.sock", SMOKE_KEY="key", SLOT_A="127.0.0.1:7410", SLOT_B="127.0.0.1:7420")
        done = subprocess.run(["haproxy", "-c", "-dW", "-f", path], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60)
        return "" if done.returncode == 0 else done.stdout


class Haproxy(unittest.TestCase):
    def test_haproxy_takes_the_configuration(self):
        self.assertEqual(complaints(CONFIGURATION), "")
        self.assertIn("map_str_intt", complaints(CONFIGURATION.replace("map_str_int(", "map_str_intt(", 1)))

    def test_the_files_give_the_canary_to_nobody(self):
        read = {key: value for name in ("dial.map", "slots.map")
                for key, value in (line.split() for line in (DEPLOY / "haproxy" / name).read_text().splitlines())}
        self.assertEqual(read, {"limit": "0", "lease": "0", "stable": "a", "canary": "b", "salt": "none"})

    def test_the_route_names_both_releases(self):
        route = yaml.safe_load((DEPLOY / "kubernetes/canary/httproute.yaml").read_text())
        self.assertEqual((route["apiVersion"], route["kind"]), ("gateway.networking.k8s.io/v1", "HTTPRoute"))
        checks, users = route["spec"]["rules"]
        self.assertEqual([one["name"] for one in checks["backendRefs"]], ["memseal-b"])
        self.assertEqual(checks["matches"][0]["headers"][0]["name"], "X-Memseal-Slot")
        self.assertEqual({one["name"]: one["weight"] for one in users["backendRefs"]}, {"memseal-a": 95, "memseal-b": 5})
        for rule in (checks, users):
            self.assertEqual(rule["timeouts"], {"request": "0s", "backendRequest": "0s"})


if __name__ == "__main__":
    unittest.main()
