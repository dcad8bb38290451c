"""The library of include/memseal/ as another CMake project meets it: installed, found, linked, run.

Needs the target memseal_sb1 of build/release.
"""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MEMSEAL_PACKAGE_BUILD", ROOT / "build/release"))
VECTORS = json.loads((ROOT / "tests/unit/crypto/sb1_vectors.json").read_text())
FIELDS = ["text", "meta", "embedding", "document_name", "document_meta", "wrapped_key", "dead_letter"]

NO_KEY = "a content key has 32 bytes and an id from 1\n"


def call(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = Path(cls.folder.name) / "prefix"
        example = Path(cls.folder.name) / "example"
        call("cmake", "--install", BUILD, "--component", "library", "--prefix", cls.prefix)
        call("cmake", "-S", ROOT / "examples/seal", "-B", example,
             f"-DCMAKE_PREFIX_PATH={cls.prefix}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        call("cmake", "--build", example)
        cls.program = example / "seal_example"

    def open(self, vector):
        words = [VECTORS["tenant_key"], vector["user_id"], vector["key_id"], vector["key"],
                 FIELDS.index(vector["field"]) + 1, vector["object"], vector["doc_id"],
                 vector["chunk_index"], vector["sealed"]]
        return subprocess.run([str(self.program), *map(str, words)], stdin=subprocess.DEVNULL,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_valid_vectors_open_and_seal_again(self):
        tried = 0
        for vector in VECTORS["valid"]:
            if len(vector["sealed"]) > 100_000:  # longer than one argument may be
                continue
            tried += 1
            done = self.open(vector)
            self.assertEqual(done.returncode, 0, vector["name"] + ": " + done.stderr)
            size = len(vector["sealed"]) // 2
            self.assertEqual(done.stdout, f"user {vector['user_hash']}\nplain {vector['plain']}\n"
                             f"sealed again: {size} bytes under key {vector['key_id']}\n", vector["name"])
        self.assertGreaterEqual(tried, 9)

    def test_invalid_vectors_do_not_open(self):
        for vector in VECTORS["invalid"]:
            done = self.open(vector)
            self.assertEqual(done.returncode, 1, vector["name"])
            self.assertNotIn("plain", done.stdout, vector["name"])
            why = "the sealed value does not open\n" if vector["key_id"] else NO_KEY
            self.assertEqual(done.stderr, why, vector["name"])

    def test_the_package_brings_one_header_and_no_other_library(self):
        headers = [path.relative_to(self.prefix).as_posix() for path in self.prefix.rglob("*.hpp")]
        self.assertEqual(headers, ["include/memseal/sb1.hpp"])
        targets = (self.prefix / "lib/cmake/memseal/memsealTargets.cmake").read_text()
        self.assertIn("OpenSSL::Crypto", targets)
        for word in ("Boost", "memseal_warnings", str(ROOT)):
            self.assertNotIn(word, targets)


if __name__ == "__main__":
    unittest.main()
