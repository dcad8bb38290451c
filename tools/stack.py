#!/usr/bin/env python3
"""The local stack without Docker: a PostgreSQL cluster, a Redis and a real Apache Kafka broker of this
checkout's own, on free loopback ports.

  scripts/stack up [SERVICE...]     start them (postgres redis kafka; all by default), wait until they answer
  scripts/stack down [SERVICE...]   stop them; the data stays
  scripts/stack status              what runs, and where; exit status 3 if one of the three does not
  scripts/stack env                 lines to eval: MEMSEAL_TEST_PG_SUPER, MEMSEAL_TEST_REDIS, MEMSEAL_TEST_KAFKA (and
                                    …_SASL: user memseal, the password in kafka-password, ACLs), paths
  scripts/stack settings            writes memseal.yaml for the service, owner.yaml for `memseal migrate` and other
                                    commands of an operator, and app-password for `migrate up`; prints their names.
                                    Others may not read them
  scripts/stack logs [-f] [SERVICE...]
  scripts/stack reset               stop all and delete the data

  --dir DIR                         another, isolated instance; default .local/dev of this checkout
  --json                            with up, down, status, env, reset: one JSON object instead; an error is
                                    {"error": "..."}

Everything lies under DIR. Called by root, the stack runs as the owner of DIR. PostgreSQL refuses to run as
root: for root it runs as the user postgres, and where that user cannot enter DIR, its data goes to /var/tmp
with a link to it in DIR. Python programs import this file: `with stack.running(DIR) as env`.
"""
import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from instance import KINDS, Instance
from processes import Failure

ROOT = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------- for other programs

def call(*words, folder):
    """Runs this file and returns what `--json` printed. A process of its own, because root becomes the
    owner of the folder for good."""
    done = subprocess.run([sys.executable, __file__, *words, "--json", "--dir", str(folder)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"error": done.stderr or f"it ended with status {done.returncode}"}
    if "error" in answer:
        raise Failure(f"{answer['error']}\n{done.stderr}".strip())
    return answer


@contextlib.contextmanager
def running(folder):
    """Starts the whole stack and yields the environment that names it; stops it in the end."""
    try:
        yield dict(os.environ, **call("up", folder=folder)["env"])
    except BaseException:
        with contextlib.suppress(Failure):  # the first failure is the one to tell
            call("down", folder=folder)
        raise
    call("down", folder=folder)


# ---------------------------------------------------------------- the command line

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}: scripts/stack --help shows what there is.")


def parse(words):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--dir", default=str(ROOT / ".local" / "dev"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-f", dest="follow", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    given = parser.parse_intermixed_args(words)
    given.command, given.names = None, []
    for word in given.words:
        if word in KINDS:
            given.names.append(word)
        elif word in ("up", "down", "status", "env", "settings", "logs", "reset"):
            given.command = word
        else:
            raise Failure(f"does not know '{word}': scripts/stack --help shows what there is.")
    given.names = given.names or list(KINDS)
    if given.json and given.command in ("settings", "logs"):
        raise Failure(f"{given.command} has no --json.")
    return given


def without_instance(given):
    """The folder does not exist, so nothing runs."""
    if given.json:
        nothing = {"status": {"dir": given.dir,
                              "services": {name: {"state": "down"} for name in given.names}},
                   "env": {}, "down": {"dir": given.dir, "seconds": 0, "stopped": given.names},
                   "reset": {"dir": given.dir, "deleted": False}}
        print(json.dumps(nothing[given.command]))
    else:
        print(f"no stack under {given.dir}", file=sys.stderr)
    return 3 if given.command in ("status", "logs") else 0


def show_status(found):
    for name, seen in found["services"].items():
        if seen["state"] == "down":
            print(f"  {name:<9} down")
        elif seen["state"] == "silent":
            print(f"  {name:<9} pid {seen['pid']} does not answer, see {seen['log']}")
        else:
            print(f"  {name:<9} up   {seen['address']:<16} pid {seen['pid']:<8} {seen['resident_mb']:4} MB")


def run(given):
    if not os.path.isdir(given.dir) and given.command != "up":
        return without_instance(given)
    instance = Instance(given.dir)
    if given.command == "logs":
        files = [str(instance.services[name].log) for name in given.names]
        os.execvp("tail", ["tail", "-n", "40", *(["-F"] if given.follow else []), *files])
    if given.command == "settings":
        print("\n".join(instance.settings()))
        return 0
    if given.command == "up":
        result = instance.up(given.names, (lambda line: None) if given.json else tell)
        text = (f"stack up in {result['seconds']} s under {result['dir']}; 'scripts/stack env' says how "
                "to reach it")
    elif given.command == "down":
        result = instance.down(given.names)
        text = f"stack down ({' '.join(given.names)}) in {result['seconds']} s"
    elif given.command == "reset":
        result = instance.reset()
        text = f"deleted {result['dir']}"
    elif given.command == "env":
        result = instance.env()
        text = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in result.items())
    else:
        result = instance.status(given.names)
        text = ""
    if given.json:
        print(json.dumps(result))
    elif given.command == "status":
        show_status(result)
    else:
        print(text)
    down = given.command == "status" and any(seen["state"] != "up" for seen in result["services"].values())
    return 3 if down else 0


def tell(line):
    print(line, flush=True)


def main(words):
    try:
        given = parse(words)
        if given.help or given.command is None:
            print(__doc__.strip())
            return 0 if given.help else 2
        return run(given)
    except Failure as failure:
        if "--json" in words:
            print(json.dumps({"error": str(failure)}))
        else:
            for sentence in str(failure).splitlines():
                print(f"stack: {sentence}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
