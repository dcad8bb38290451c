"""Root keys take turns while the service answers: no question fails, nothing that is needed can be retired, and a
keyring that is not the newest is refused before anything is written."""
import json
import shutil
import threading
import unittest

from harness import STRUCTURED, EndToEnd


class Keys(EndToEnd):
    def keys(self, *words, status=0):
        done = self.at.cli("keys", *words, "--json", check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def listed(self):
        return {(key["kind"], key["generation"]): (key["state"], key.get("tenant_keys")) for key in self.keys("list")}

    def index(self, user, text):
        answer, data = self.at.request("POST", "/api/v1/memory/index?wait=20", {"text": text}, self.at.token(user))
        self.assertEqual((answer.status, json.loads(data)["operation"]["state"]), (200, "succeeded"), data)

    def status(self, token):
        return self.at.request("GET", "/api/v1/me", None, token)[0].status

    def test_1_the_kek_takes_turns_under_questions(self):
        at = self.at
        before = at.folder / "before"
        shutil.copy2(at.keyring, before)
        for user in ("ann", "bob"):
            self.index(user, f"{user} grows quinces.")
        failed, asked, over = [], [], threading.Event()

        def ask(user):
            token = at.token(user)
            while not over.is_set():
                try:
                    found = at.results(token, "Who grows quinces?")
                    asked.append(user)
                    if len(found) != 1:
                        failed.append(found)
                except Exception as error:  # any failure counts
                    failed.append(error)

        askers = [threading.Thread(target=ask, args=(user,)) for user in ("ann", "bob")]
        for asker in askers:
            asker.start()
        self.assertIn("--yes", self.refused("rotate"))
        self.assertNotIn(("kek", 2), self.listed(), "nothing changes before the key can be copied")
        self.keys("rotate", "--stage")
        self.assertIn("kek 1 is current", self.refused("retire", "kek", "1"))
        self.assertIn("kek 2 is staged", self.refused("retire", "kek", "2"))
        self.assertEqual(self.listed()["kek", 2], ("staged", 0))
        told = self.keys("rotate")[0]
        self.assertEqual((told["generation"], told["rewrapped"], told["unopened"]), (2, 2, 0))
        self.assertEqual(self.keys("rotate", "--resume")[0]["rewrapped"], 0)
        at.wait_for(lambda: at.metrics()["memseal_keyring_kek_epoch"] == 2, what="the service follows")
        self.index("carol", "carol came later.")
        self.assertEqual(self.listed()["kek", 2], ("current", 3))
        self.keys("retire", "kek", "1")
        self.keys("retire", "kek", "1", status=4)
        self.keys("rotate", "--yes")
        self.assertEqual(self.listed()["kek", 3], ("current", 3))
        self.keys("retire", "kek", "2")
        at.wait_for(lambda: at.metrics()["memseal_keyring_kek_epoch"] == 3, what="the service follows")
        count = len(asked)
        at.wait_for(lambda: len(asked) > count + 4, what="questions after it")
        over.set()
        for asker in askers:
            asker.join()
        self.assertEqual(failed, [])
        self.assertEqual(at.cli("keys", "verify", check=False).returncode, 0)
        ends = [json.loads(line)["outcome"] for line in
                at.cli("--json", "audit", "show", "--action", "operator.keys_rotate/kek").stdout.splitlines()]
        self.assertEqual((ends[:2], ends[2:].count("begun"), ends[2:].count("done")), (["begun", "failed"], 4, 4))
        self.assertEqual(at.cli("--json", "audit", "show", "--action", "operator.keys_retire/kek").stdout.count('"done"'), 2)

        newest = at.folder / "newest"
        shutil.copy2(at.keyring, newest)
        shutil.copy2(before, at.keyring)
        at.wait_for(lambda: at.metrics()["memseal_keyring_refused"] == 1, what="an old keyring is told")
        self.assertEqual(len(at.results(at.token("ann"), "Who grows quinces?")), 1, "a process keeps what it has")
        self.assertEqual(at.cli("keys", "verify", check=False).returncode, 6)
        at.stop()
        self.assertIn("key-encryption key 1, by which this keyring wraps, is retired", at.cli("serve", check=False).stderr)
        shutil.copy2(newest, at.keyring)
        at.start()
        self.assertEqual(len(at.results(at.token("ann"), "Who grows quinces?")), 1)

    def refused(self, *words):
        return self.keys(*words, status=2)[0]["error"]["message"]

    def test_2_tokens_of_the_old_key_stay_good_until_it_is_retired(self):
        old = self.at.token("ann")
        self.keys("rotate", "token")
        new = self.at.token("ann")
        self.at.wait_for(lambda: self.status(new) == 200, what="the new key")
        self.assertEqual(self.status(old), 200)
        self.keys("retire", "token", "1")
        self.at.wait_for(lambda: self.status(old) == 401, what="the old key's end")
        self.assertEqual(self.status(new), 200)

    def test_3_a_dead_letter_keeps_its_key(self):
        at = self.at

        def letter():
            before = len(self.letters())
            at.kcat_produce(at.upload_topic, "mallory", b"not json", STRUCTURED)
            at.wait_for(lambda: len(self.letters()) > before, what="a letter")

        letter()
        loaded = at.server_log().count("service.keyring_loaded")
        self.keys("rotate", "dead-letters")
        at.wait_for(lambda: at.server_log().count("service.keyring_loaded") > loaded, what="the service follows")
        letter()
        for one in self.letters():
            shown = at.cli("dlq", "show", one["id"], "--reveal", "--json").stdout
            self.assertEqual(json.loads(shown.splitlines()[0])["record"]["value"], "not json")
        self.assertIn("dead letter", self.refused("retire", "dead-letters", "1"))
        at.cli("dlq", "drop", "--every")
        self.keys("retire", "dead-letters", "1")
        self.assertEqual(len(self.keys("list")), 3)

    def letters(self):
        return [json.loads(line) for line in self.at.cli("dlq", "list", "--json").stdout.splitlines()]

    def test_4_the_public_key_of_receipts(self):
        key = self.keys("export-public")[0]
        self.assertEqual((key["kty"], key["crv"], len(key["x"])), ("OKP", "Ed25519", 43))
        self.assertEqual(self.at.cli("keys", "export-public").stdout.strip(), key["x"])


if __name__ == "__main__":
    unittest.main()
