"""Wrong usage: the lines D."""
import base64
import fcntl
import json
import os
import pty
import socket
import struct
import subprocess
import termios

from newcomer import NOWHERE, PROGRAM, row


def on_a_terminal(words, env, columns):
    """What a program shows on a terminal of so many columns."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=inner, stderr=inner)
    os.close(inner)
    shown = b""
    try:
        while part := os.read(outer, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(outer)
    child.wait(30)
    return shown.decode().replace("\r\n", "\n")


def unsigned(**claims):
    """A token that no service takes."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({"alg": "HS256"}, claims)]
    return ".".join([*parts, "c2ln" * 11])


@row("D1 `qurey x` named neither the word nor a suggestion", "F14 an unknown command was not named, `help X` misread")
def unknown_command(at):
    at.says(["qurey", "x"], 2, 'memseal has no command "qurey"; did you mean query?')
    at.says(["query", "--topk", "3", "x"], 2, "did you mean --top-k?")
    at.run("help", "query")


@row("D2 `help query` was taken for a question")
def help_for_a_command(at):
    asked, flagged = at.run("help", "query"), at.run("query", "--help")
    at.assertEqual(asked.stdout, flagged.stdout)
    at.assertIn("Usage: memseal query [OPTION...] TEXT...", asked.stdout)


@row("D3 bare `memseal` showed no list of commands")
def bare(at):
    at.assertIn("\nCommands:\n", at.run(code=2).stderr)


@row("D4 `query who is it` wanted quotes")
def bare_words(at):
    at.assertEqual(at.ask("who", "is", "it").returncode, 0)


@row("D5 a directory as configuration ended in C++ text",
     "F11 raw C++ text for directories and folders without permission")
def directories_for_files(at):
    for words, code, says in ((["serve", "-c", "/"], 2, "cannot read /: it is a directory, not a file"),
                              (["query", "--token-file", "/", "--url", NOWHERE, "x"], 2, "cannot read the token from /: "),
                              (["publish", "chat", "--user", "a", "--conversation", "c", "-f", "/"], 2, "directory"),
                              (["config", "init", "/proc/nope/c"], 1, "cannot write /proc/nope/c: ")):
        at.says(words, code, says)


@row("D6 `config init` into a folder without permission ended in C++ text")
def no_permission(at):
    if os.geteuid() != 0:
        locked = at.folder / "locked"
        locked.mkdir(mode=0o500)
        at.says(["config", "init", locked / "c"], 1, "Permission denied")
    at.says(["config", "init", "/proc/c"], 1, "cannot write /proc/c: ")


@row("D7 `config check` called http.listen=foo sound", "F12 `config check` called what `serve` refuses sound")
def unsound_address(at):
    for command in (["config", "check"], ["serve"]):
        at.says([*command, "--set", "http.listen=foo"], 2, 'http.listen must be address:port, not "foo" (flag)')


@row("D8 `config check` called port 99999 sound")
def unsound_port(at):
    at.says(["config", "check", "--set", "http.listen=127.0.0.1:99999"], 2, "http.listen must be address:port")


@row("D9 `serve` on a name said `Invalid argument`")
def name_for_an_address(at):
    at.says(["serve", "--set", "http.listen=localhost:17460"], 2,
            'http.listen must have an IP address, not the name "localhost" (flag)')


@row("D10 a token file that is missing was not named", "F13 --token-file that does not exist was ignored")
def missing_token_file(at):
    at.says(["query", "--token-file", "/nope", "--url", NOWHERE, "x"], 2,
            "cannot read the token from /nope: No such file or directory")


@row("D11 port 99999 became port 34463, which got the token", "F8 --url …:99999 sent the token to port 34463")
def port_out_of_range(at):
    with socket.socket() as wrapped:
        wrapped.bind(("127.0.0.1", 99_999 % 65_536))
        wrapped.listen()
        at.says(["query", "--url", "http://127.0.0.1:99999", "--token", "T", "x"], 2, "--url has an invalid port")
        wrapped.settimeout(0)
        at.assertRaises(BlockingIOError, wrapped.accept)


@row("D12 a slash behind the address was 404", "F15 a slash was 404, `health --url` another kind of address, no https")
def slash(at):
    at.assertEqual(at.run("query", "--url", at.url + "/", "x").returncode, 0)
    at.assertEqual(at.run("health", "--url", at.url + "/").stdout, at.run("health", "--url", at.url).stdout)
    at.says(["query", "--url", "https://127.0.0.1:1", "x"], 3, "https://127.0.0.1:1: connecting: Connection refused")


@row("D13 `the address must begin with http://`")
def https(at):
    # A server without TLS shows that TLS is spoken.
    at.says(["query", "--url", at.url.replace("http:", "https:"), "x"], 3, "https://")
    at.says(["query", "--url", "https://127.0.0.1:1", "--ca-file", "/nope", "x"], 2, "cannot read certificates from /nope")


@row("D14 `health --url` wanted a path")
def health(at):
    at.assertEqual(at.run("health", "--url", at.url).returncode, 0)


@row("D15 an expired token was only `A valid bearer token is required`")
def expired(at):
    token = unsigned(sub="alice", exp=1_700_000_000)
    at.says(["query", "--url", at.url, "--token", token, "x"], 5, "the token expired at 2023-11-14T22:13:20")


@row("D16 429 did not say when to try again")
def rate_limited(at):
    env = {"MEMSEAL_TOKEN": at.away.token("dora")}
    where = ["--url", f"http://127.0.0.1:{at.away.port}"]
    for _ in range(3):  # what is refused takes nothing of the limit
        at.says(["query", *where, "--created-after", "soon", "x"], 1, "HTTP 422", env=env)
    at.run("query", *where, "x", env=env)
    at.says(["query", *where, "x"], 1, "HTTP 429", env=env)
    failed = json.loads(at.run("query", *where, "x", "--json", env=env, code=1).stdout)["error"]
    at.assertGreater(failed["retry_after_s"], 0)
    at.assertRegex(failed["hints"][0], r"try again in \d+ s")


@row("D17 --json did not hold for failures", "F17 --json not for errors, `keys init`, `dev`; NO_COLOR not for logs")
def json_everywhere(at):
    for words, code in ((["query", "--url", NOWHERE, "x"], 3), (["migrate", "up"], 2), (["publish", "upload", "x"], 2)):
        at.assertEqual(json.loads(at.run("--json", *words, code=code).stdout)["error"]["exit_code"], code)
    at.assertEqual(json.loads(at.run("--json", "keys", "init", at.folder / "ring").stdout), {"file": str(at.folder / "ring")})
    at.assertEqual(set(at.ready) >= {"url", "kafka", "token", "env"}, True)
    at.assertIn("kafka", at.log())
    at.assertNotIn("\x1b", at.log())  # on a terminal, with NO_COLOR


@row("D18 a full disk was exit code 0", "F16 output that cannot be written was exit code 0")
def full_disk(at):
    for words in (["token", "mint", "--user", "a", "--set", f"seal.keyring_file={at.keyring}"], ["config", "show"],
                  ["config", "init"], ["query", "--url", at.url, "x"]):
        with open("/dev/full", "w") as full:
            done = at.run(*words, code=1, stdout=full)
        at.assertEqual(done.stderr, "memseal: cannot write the output: No space left on device\n")


@row("D19 MEMSEAL_LOG_LEVEL, with one underscore, was ignored without a word")
def one_underscore(at):
    done = at.run("config", "check", env={"MEMSEAL_LOG_LEVEL": "debug"})
    at.assertIn("MEMSEAL_LOG_LEVEL is not read; did you mean MEMSEAL__LOG__LEVEL", done.stderr)


@row("D20 `--json models verify` was right")
def models_verify(at):
    at.assertEqual(json.loads(at.run("--json", "models", "verify", "/nope/", code=2).stdout)["error"]["exit_code"], 2)


@row("D21 a relative keyring was looked for in the working directory",
     "F9 a relative keyring_file was not the YAML's, and the advice was a new keyring")
def relative_keyring(at):
    (at.folder / "memseal.yaml").write_text("seal:\n  keyring_file: relative\n")
    refused = at.run("token", "mint", "--user", "a", "-c", at.folder / "memseal.yaml", code=2, cwd="/")
    at.assertIn(str(at.folder / "relative"), refused.stderr)
    at.run("keys", "init", at.folder / "relative")
    at.run("token", "mint", "--user", "a", "-c", at.folder / "memseal.yaml", cwd="/")


@row("D22 the same lesson under every command, no global options, no examples, 100 columns")
def help_of_every_command(at):
    table = json.loads(at.run("--json", "help").stdout)["commands"]
    at.assertGreater(len(table), 60)
    # tests/commands looks at all of them, in one process.
    for command in table[::20]:
        shown = at.run(*command["command"].split(), "--help").stdout
        at.assertNotIn("First steps:", shown)
        for global_option in ("--config", "--set", "--json", "--quiet"):
            at.assertIn(global_option, shown, command["command"])
        text, _, examples = shown.partition("\nExamples:\n")
        at.assertIn(f"memseal {command['command']}", examples)
        at.assertLessEqual(max(map(len, text.splitlines())), 80, command["command"])
    for name in ("query", "publish upload"):
        shown = on_a_terminal([PROGRAM, *name.split(), "--help"], at.env, columns=60)
        at.assertLessEqual(max(map(len, shown.partition("\nExamples:")[0].splitlines())), 60)


@row("D23 numbers as 1.49959E-1, and colours in pipes")
def plain_output(at):
    at.remember("c23", "user:My dentist is Dr. Novak.")
    found = at.ask("--json", "who", "is", "the", "dentist?").stdout
    at.assertNotRegex(found, r"[0-9]E[-+0-9]")
    at.assertIn("query.result", [json.loads(line)["type"] for line in found.splitlines()])
    shown = at.ask("who is the dentist?").stdout
    at.assertNotIn("\x1b", shown)


@row("D24 no completion, no manual page")
def completion(at):
    for shell in ("bash", "zsh", "fish"):
        at.assertIn("query", at.run("completion", shell).stdout)
    at.run("man", "--dir", at.folder / "man")
    at.assertIn(".SH", (at.folder / "man/memseal-query.1").read_text())


@row("D25 `1 results`")
def one_result(at):
    at.remember("c25", "user:The ferry leaves at noon.")
    at.assertRegex(at.ask("--top-k", "1", "when does the ferry leave?").stdout, r"(?m)^1 result, ")
    none = at.run("query", "--url", at.url, "x", "--conversation", "none")
    at.assertRegex(none.stdout, r"(?m)^0 results, ")
    at.assertIn("nothing matches the filters", none.stderr)


@row("D26 good: misspelt and doubled keys of the configuration")
def misspelt_key(at):
    at.says(["config", "check", "--set", "htp.listen=127.0.0.1:1"], 2, 'did you mean "http.listen"?')
    (at.folder / "twice.yaml").write_text("http:\n  listen: 127.0.0.1:1\n  listen: 127.0.0.1:2\n")
    at.says(["config", "check", "-c", at.folder / "twice.yaml"], 2, "twice")


@row("D27 good: `keys init` overwrites nothing, an open keyring is refused with the mend")
def keyring_is_safe(at):
    ring = at.folder / "mine"
    at.run("keys", "init", ring)
    kept = ring.read_bytes()
    at.says(["keys", "init", ring], 1, "mine")
    at.assertEqual(ring.read_bytes(), kept)
    ring.chmod(0o644)
    at.says(["token", "mint", "--user", "a", "--set", f"seal.keyring_file={ring}"], 2, "chmod 600")


@row("D28 good: `migrate down` wants --force")
def migrate_down(at):
    token = at.away.token("fay")
    at.assertEqual(at.away.request("POST", "/api/v1/knowledge/files", b"x", token, {"X-Memseal-Name": "x"})[0].status, 201)
    done = at.run("migrate", "down", "--to", "5", code=2, env=at.away.env)
    at.assertIn("--force", done.stderr)


@row("D29 good: `doctor` names part and mend")
def doctor(at):
    env = {**at.away.env, "MEMSEAL__KAFKA__BROKERS": at.ready["kafka"],
           "MEMSEAL__POSTGRES__DSN": "postgresql://app_user@127.0.0.1:1/none"}
    checks = json.loads(at.run("--json", "doctor", code=3, env=env).stdout)["checks"]
    ill = [one for one in checks if not one["ok"]]
    at.assertTrue(ill and all(one["fix"] for one in ill), checks)
    at.assertIn("127.0.0.1", json.dumps(ill))


@row("D30 good: a stopped server, with what to start")
def stopped_server(at):
    at.says(["query", "--url", NOWHERE, "x"], 3,
            f"memseal: {NOWHERE}: connecting: Connection refused; is `memseal serve` running there?")
