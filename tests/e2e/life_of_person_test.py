"""A person takes everything along and is erased: whole, everywhere, for ever; and nobody else is touched."""
import json
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from harness import STRUCTURED, EndToEnd, psql, structured, without_password

TABLES = ("tenant_keys", "memory_chunks", "documents", "ingest_events", "idempotency_keys", "files")
FILES = "/api/v1/knowledge/files"


class LifeOfPerson(EndToEnd):
    settings = {"search__matrix_chunks_min": 1}  # vectors in memory must go too

    def ask(self, method, path, token, status=200, body=None, at=None, **headers):
        answer, data = (at or self.at).request(method, path, body, token, {key.replace("_", "-"): value for key, value in headers.items()})
        self.assertEqual(answer.status, status, data)
        return data

    def fill(self, user):
        """A document by HTTP and one by Kafka, a conversation, two files of which one is indexed; all their texts."""
        token = self.at.token(user)
        told = self.ask("POST", "/api/v1/memory/index?wait=20", token, body={
            "doc_id": "notes/harbour.md", "text": f"{user}: the harbour opens at nine.", "name": "harbour.md", "tags": ["work"],
            "attributes": {"page": 3}})
        self.assertEqual(json.loads(told)["operation"]["state"], "succeeded")
        self.ask("POST", "/api/v1/memory/conversations/talk/turns?wait=20", token,
                 body={"turns": [{"role": "user", "content": f"{user} asks."}, {"role": "assistant", "content": f"{user} hears."}]})
        self.ask("POST", FILES + "?index=true&wait=20", token, 201, f"{user} in a file.".encode(), X_Memseal_Name="file.txt",
                 Content_Type="text/plain")
        self.ask("POST", FILES, token, 201, bytes(range(256)) * 700, X_Memseal_Name="raw.bin", Content_Type="application/octet-stream")
        self.at.kcat_produce(self.at.upload_topic, user, structured(user, "upload", {
            "doc_id": "by kafka", "file": {"name": "k.txt", "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": f"{user} by Kafka."}}, "k1"), STRUCTURED)
        self.at.wait_for(lambda: self.at.request("GET", "/api/v1/memory/documents/by%20kafka", None, token)[0].status == 200, what="Kafka's")
        return token, {f"{user}: the harbour opens at nine.", f"{user} asks.", f"{user} hears.", f"{user} in a file.", f"{user} by Kafka."}

    def exported(self, token):
        data = self.ask("GET", "/api/v1/me/export", token)
        return [json.loads(line) for line in data.decode().splitlines()][1:]  # behind the time of the export

    def hash_of(self, user):
        return json.loads(self.at.cli("--json", "tenant", "show", user).stdout)["user_hash"]

    def rows(self, of):
        counts = " + ".join(f"(SELECT count(*) FROM app.{table} WHERE user_hash = '{of}')" for table in TABLES)
        return int(psql(self.at.owner, f"SELECT {counts}")[0][0])

    def objects(self, of):
        return list(Path(self.at.env["MEMSEAL__FILES__DIRECTORY"]).glob(f"objects/*/{of}/*"))

    def test_export_erasure_replay(self):
        (ada, ada_texts), (bob, bob_texts) = self.fill("ada"), self.fill("bob")
        ada_hash, bob_hash = self.hash_of("ada"), self.hash_of("bob")

        # What is exported is what was stored, and only the caller's.
        lines = self.exported(ada)
        self.assertEqual({line["text"] for line in lines if "text" in line}, ada_texts)
        me = json.loads(self.ask("GET", "/api/v1/me", ada))["me"]
        end = lines[-1]
        self.assertEqual((end["type"], end["documents"], end["conversations"], end["chunks"] + end["turns"], end["files"], end["unopened"]),
                         ("end", me["documents"], me["conversations"], me["chunks"], me["files"], 0))
        self.assertEqual((me["documents"], me["conversations"], me["files"]), (3, 1, 2))
        harbour = next(line for line in lines if line.get("doc_id") == "notes/harbour.md")
        self.assertEqual((harbour["name"], harbour["tags"], harbour["attributes"]), ("harbour.md", ["work"], {"page": 3}))
        self.assertEqual({line["name"] for line in lines if line["type"] == "file"}, {"file.txt", "raw.bin"})
        bobs = self.exported(bob)
        self.assertEqual({line["text"] for line in bobs if "text" in line}, bob_texts)
        env, url = {"MEMSEAL_TOKEN": ada}, ("--url", f"http://127.0.0.1:{self.at.port}")
        target = self.at.folder / "ada.ndjson"
        self.at.cli("export", "-o", target, *url, env=env)
        self.assertEqual([json.loads(line) for line in target.read_text().splitlines()][1:], lines)
        self.assertEqual(target.stat().st_mode & 0o777, 0o600)
        self.assertEqual(list(self.at.folder.glob("*.part*")), [])
        by_operator = self.at.folder / "by-operator.ndjson"
        self.at.cli("tenant", "export", "ada", "-o", by_operator)
        self.assertEqual([json.loads(line) for line in by_operator.read_text().splitlines()][1:], lines)

        # Another process that has the keys and the vectors of both in its memory.
        second = self.another(MEMSEAL__KAFKA__ENABLED="false")
        for token in (ada, bob):
            for _ in range(3):
                self.assertTrue(second.results(token, "the harbour"))
        self.assertEqual(second.metrics()["memseal_matrix_tenants"], 2)
        self.at.wait_for(lambda: second.metrics()["memseal_erasures_heard"] == 1, what="that the second process listens")

        # Nobody erases another one, and nobody by mistake.
        for token, query in ((bob, "?confirm=ada"), (ada, ""), (ada, "?confirm=bob")):
            self.ask("DELETE", "/api/v1/me" + query, token, 422)
        self.ask("DELETE", "/api/v1/me?confirm=ada", None, 401)
        self.assertEqual(self.exported(ada), lines)

        started = time.time()
        receipt = self.ask("DELETE", "/api/v1/me?confirm=ada", ada)
        self.assertEqual((self.rows(ada_hash), self.objects(ada_hash)), (0, []))
        self.at.wait_for(lambda: second.metrics()["memseal_matrix_tenants"] == 1, 10, "that the second process forgets the vectors")
        self.assertLess(time.time() - started, 30)
        said = json.loads(receipt)
        self.assertEqual((said["user_hash"], said["documents"], said["conversations"], said["chunks"], said["files"], said["keys"]),
                         (ada_hash, 3, 1, me["chunks"], 2, 1))
        paper = self.at.folder / "receipt.json"
        paper.write_bytes(receipt)
        self.assertIn("genuine", self.at.cli("receipt", "verify", paper, "--user", "ada").stdout)
        self.assertEqual(self.at.cli("receipt", "verify", paper, "--user", "bob", check=False).returncode, 6)
        self.at.cli("receipt", "verify", paper, "--public-key", said["public_key"])
        paper.write_bytes(receipt.replace(b'"files":2', b'"files":3'))
        self.assertEqual(self.at.cli("receipt", "verify", paper, check=False).returncode, 6)
        self.assertEqual(self.ask("DELETE", "/api/v1/me?confirm=ada", ada), receipt)
        self.at.cli("tenant", "erase", "ada", "--force", "-o", paper)
        self.assertEqual(paper.read_bytes(), receipt)

        for at in (self.at, second):
            self.assertEqual(at.results(ada, "the harbour"), [])
            self.assertTrue(at.results(bob, "the harbour"))
        self.ask("POST", "/api/v1/memory/index", ada, 410, {"text": "Back again."})
        self.ask("POST", FILES, ada, 410, b"Back again.", X_Memseal_Name="b", Content_Type="text/plain")

        # The topics from their beginning and one event more, by a consumer that has seen nothing.
        self.at.kcat_produce(self.at.upload_topic, "ada", structured("ada", "upload", {
            "doc_id": "new", "file": {"mime_type": "text/plain"}, "content": {"encoding": "utf8", "data": "Later."}}), STRUCTURED)
        replay = self.another(MEMSEAL__KAFKA__GROUP=self.at.name + ".again")
        records = sum(self.at.kcat_count(topic) for topic in (self.at.upload_topic, self.at.chat_topic))

        def outcomes():
            found = {}
            for name, value in replay.metrics().items():
                if match := re.match(r'memseal_ingest_events_total\{outcome="(\w+)"', name):
                    found[match[1]] = found.get(match[1], 0) + int(value)
            return {outcome: count for outcome, count in found.items() if count > 0}
        self.at.wait_for(lambda: sum(outcomes().values()) >= records, what="the replay of the topics")
        bobs_events = int(psql(self.at.owner, f"SELECT count(*) FROM app.ingest_events WHERE user_hash = '{bob_hash}'")[0][0])
        self.assertEqual(outcomes(), {"duplicate": bobs_events, "erased": records - bobs_events})
        self.assertEqual((self.rows(ada_hash), self.objects(ada_hash)), (0, []))
        self.assertEqual(psql(self.at.owner, f"SELECT state, chunk_count FROM app.tenants WHERE user_hash = '{ada_hash}'"), [["erased", "0"]])
        self.assertEqual(self.exported(bob), bobs)

    def test_an_operator_erases_and_a_killed_erasure_is_resumed(self):
        self.fill("cleo")
        cleo = self.hash_of("cleo")
        # More rows than one transaction deletes. The last one is locked, so the erasure cannot end by itself.
        psql(self.at.owner, "INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, char_start, char_end, model) "
             f"SELECT gen_random_uuid(), '{cleo}', 'many', 'api', decode(repeat('00', 34), 'hex'), n, 0, 1, 'm' FROM generate_series(1, 25000) n")
        last = psql(self.at.owner, f"SELECT id FROM app.memory_chunks WHERE user_hash = '{cleo}' AND chunk_index = 25000")[0][0]
        self.assertEqual(self.at.cli("tenant", "erase", "cleo", check=False).returncode, 2)
        dry = json.loads(self.at.cli("--json", "tenant", "erase", "cleo", "--dry-run").stdout)
        self.assertEqual((dry["state"], dry["files"]), ("active", 2))
        address, env = without_password(self.at.owner)
        with subprocess.Popen(["psql", address, "-qAtX"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as holder:
            holder.stdin.write(f"BEGIN; SELECT 1 FROM app.memory_chunks WHERE id = '{last}' FOR UPDATE;\n")
            holder.stdin.flush()
            self.assertEqual(holder.stdout.readline().strip(), "1")
            with subprocess.Popen([self.at.program, "tenant", "erase", "cleo", "--force"], env=self.at.env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as eraser:
                self.at.wait_for(lambda: psql(self.at.owner, f"SELECT state FROM app.tenants WHERE user_hash = '{cleo}'") == [["erased"]],
                                 what="the tombstone")
                eraser.send_signal(signal.SIGKILL)
                eraser.wait()
            self.assertEqual(psql(self.at.owner, f"SELECT count(*) FROM app.tenant_keys WHERE user_hash = '{cleo}'"), [["0"]])
            self.assertGreater(self.rows(cleo), 0)
            self.assertEqual(len(self.objects(cleo)), 2)
            holder.stdin.write("ROLLBACK;\n")
            holder.stdin.close()
        at = psql(self.at.owner, f"SELECT (extract(epoch FROM erased_at) * 1000)::bigint FROM app.tenants WHERE user_hash = '{cleo}'")
        paper = self.at.folder / "cleo.json"
        self.at.cli("tenant", "erase", "--hash", cleo, "--force", "-o", paper)
        self.assertEqual((self.rows(cleo), self.objects(cleo)), (0, []))
        said = json.loads(self.at.cli("--json", "receipt", "verify", paper).stdout)
        self.assertEqual((said["genuine"], said["files"], said["chunks"] > 25000), (True, 2, True))
        self.assertEqual(psql(self.at.owner, f"SELECT (extract(epoch FROM erased_at) * 1000)::bigint FROM app.tenants WHERE user_hash = '{cleo}'"), at)
        listed = [json.loads(line) for line in self.at.cli("--json", "tenant", "list").stdout.splitlines()]
        self.assertEqual([(one["state"], one["chunks"]) for one in listed if one["user_hash"] == cleo], [("erased", 0)])
        self.assertEqual(self.at.cli("tenant", "show", "nobody", check=False).returncode, 4)


if __name__ == "__main__":
    unittest.main()
