"""Holds objects of Kubernetes against its schemas, which scripts/deps --test fetches. Reads a JSON array, prints what
is wrong, a line each. Runs in .deps/clients, which has a validator.

    kubernetes_schema.py .deps/kubernetes/v1.29.0
"""
import json
import re
import sys
from pathlib import Path

from jsonschema.validators import Draft202012Validator
from referencing import Registry, Resource


def check(folder, item):
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", item["apiVersion"])
    schema = folder / f"{item['kind'].lower()}-{group}.json"
    if not schema.exists():
        yield f"has no {item['kind']} of {item['apiVersion']}"
        return
    schema = json.loads(schema.read_text())
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    registry = definitions @ (Resource.from_contents(schema) @ Registry())
    for error in Draft202012Validator(schema, registry=registry).iter_errors(item):
        yield f"{item['kind']} {item['metadata']['name']}: {'.'.join(map(str, error.path))}: {error.message[:200]}"


def main():
    folder = Path(sys.argv[1])
    for item in json.load(sys.stdin):
        for complaint in check(folder, item):
            print(complaint)


main()
