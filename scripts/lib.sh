# shellcheck shell=bash
# What scripts/deps and scripts/stack share. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
DEPS=$ROOT/.deps
export ROOT DEPS

say() { printf '%s\n' "$*"; }

# die SENTENCE: the sentence says what is wrong and what mends it.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# as_root COMMAND...: only the system's own package manager and files need this.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    command -v sudo >/dev/null || die "this step needs root: run it as root, or install sudo and be allowed to use it."
    sudo "$@"
  fi
}

# Before a step whose output goes to a file: sudo may have to ask.
ask_for_root() { as_root true; }

now_ms() { date +%s%3N; }

# seconds_since MS: "12.3".
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}
