# shellcheck shell=bash
# What a machine offers and how to get what it lacks. Sourced by the scripts beside it.
# Kept to what bash 3.2 (macOS) understands.

# Exit codes as rcluster's own: 1 failed, 5 something needed is missing.
# shellcheck disable=SC2034 # used by those who source this
readonly FAILED=1 MISSING=5

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }

# die CODE CAUSE [HINT…]: a short cause, a blank line, hints that can be typed.
die() {
  local code=$1 cause=$2
  shift 2
  printf 'error: %s\n' "$cause" >&2
  if [ $# -gt 0 ]; then
    printf '\nhint: %s\n' "$1" >&2
    shift
    while [ $# -gt 0 ]; do
      printf '      %s\n' "$1" >&2
      shift
    done
  fi
  exit "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }
on_tty() { [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; }

# bounded SECONDS COMMAND…: the command, ended when its time is up.
bounded() {
  local seconds=$1
  shift
  if have timeout; then
    timeout "$seconds" "$@"
  elif have gtimeout; then
    gtimeout "$seconds" "$@"
  else
    perl -e 'alarm shift; exec @ARGV or exit 127' "$seconds" "$@"
  fi
}

# at_least HAVE WANT: compares MAJOR.MINOR.
at_least() {
  local major=${1%%.*} minor=${1#*.} want_major=${2%%.*} want_minor=${2#*.}
  minor=${minor%%[!0-9]*}
  want_minor=${want_minor%%[!0-9]*}
  case $major in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -gt "$want_major" ] || { [ "$major" -eq "$want_major" ] && [ "${minor:-0}" -ge "${want_minor:-0}" ]; }
}

# --- Becoming root, and packages ------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif ! have sudo; then
    return 1
  elif on_tty; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

can_be_root() {
  [ "$(id -u)" -eq 0 ] || { have sudo && { on_tty || sudo -n true 2>/dev/null; }; }
}

# apt_install PACKAGE…: with fresh lists only if the old ones will not do.
apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
  local log
  log=$(mktemp)
  if as_root "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1 </dev/null ||
    { as_root "${apt[@]}" update && as_root "${apt[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return 0
  fi
  tail -n 15 "$log" >&2
  rm -f "$log"
  return 1
}

# The version that apt would install, without epoch; empty if none.
apt_candidate() {
  { apt-cache policy "$1" 2>/dev/null || true; } |
    sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9][^ ]*\).*/\2/p'
}

# --- Rust -----------------------------------------------------------------------------------------

rust_wanted() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml; }
rust_found() { { rustc --version 2>/dev/null || true; } | sed -n 's/^rustc \([0-9.]*\).*/\1/p'; }

rust_is_new_enough() {
  have cargo && at_least "$(rust_found)" "$(rust_wanted)"
}

# A toolchain by rustup, next to whatever else is there; the default is left alone.
rust_by_rustup() {
  say "installing the stable Rust toolchain with rustup"
  rustup toolchain install stable --profile minimal --no-self-update >&2 || return 1
  export RUSTUP_TOOLCHAIN=stable
  # Debian's rustup puts its cargo into the PATH by itself; the official one lives here.
  export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  rust_is_new_enough
}

# Makes sure of cargo, as new as Cargo.toml asks for.
need_rust() {
  local wanted found
  wanted=$(rust_wanted)
  have cargo || export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  if rust_is_new_enough; then
    note "Rust $(rust_found)"
    return
  fi
  found=$(rust_found)
  if have rustup; then
    rust_by_rustup && return
    die $MISSING "rustup could not install a Rust toolchain of $wanted or later" "rustup toolchain install stable"
  fi
  if have apt-get && [ -n "$(apt_candidate rustup)" ] && can_be_root; then
    say "installing rustup by apt"
    if apt_install rustup && rust_by_rustup; then return; fi
  elif have brew; then
    say "installing Rust by brew"
    if brew install rust >&2 && rust_is_new_enough; then return; fi
  fi
  if on_tty && have curl; then
    say "Rust $wanted or later is needed${found:+ (found: $found)}"
    local answer
    read -r -p "    Run the official installer from https://rustup.rs for this user? [y/N] " answer
    case $answer in
      y | Y | yes)
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal >&2
        export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        rust_is_new_enough && return
        ;;
    esac
  fi
  die $MISSING "Rust $wanted or later is needed${found:+; found: $found}" \
    "install it from https://rustup.rs, or by your system's packages, then run this again"
}

# --- redis-server ---------------------------------------------------------------------------------

redis_found() {
  { "${RCLUSTER_REDIS_SERVER:-redis-server}" --version 2>/dev/null || true; } |
    sed -n 's/.* v=\([0-9.]*\).*/\1/p'
}

redis_is_new_enough() { at_least "$(redis_found)" 7.0; }

# Debian's package would start a server on 6379 and enable it at boot: neither is wanted.
redis_by_apt() (
  policy=/usr/sbin/policy-rc.d saved=
  if [ -e "$policy" ] && "$policy" redis-server start >/dev/null 2>&1; then
    saved=$policy.before-rcluster
    as_root mv "$policy" "$saved"
  fi
  placed=
  # shellcheck disable=SC2317 # reached through the trap
  restore() {
    [ -z "$placed" ] || as_root rm -f "$policy"
    [ -z "$saved" ] || as_root mv "$saved" "$policy"
  }
  trap restore EXIT
  trap 'exit 130' INT TERM
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod 755 $policy" || return 1
    placed=yes
  fi
  apt_install redis-server || return 1
  if have systemctl; then
    as_root systemctl disable --quiet redis-server >/dev/null 2>&1 || true
  elif have update-rc.d; then
    as_root update-rc.d redis-server disable >/dev/null 2>&1 || true
  fi
)

# Makes sure of a redis-server of 7.0 or later; says how and returns 1 when it cannot.
get_redis() {
  local found
  if redis_is_new_enough; then
    note "redis-server $(redis_found)"
    return
  fi
  found=$(redis_found)
  if [ -n "$found" ]; then
    note "redis-server $found is too old, 7.0 or later is needed; it is left as it is."
    note "Put a newer one first in PATH, or name it in RCLUSTER_REDIS_SERVER."
    return 1
  fi
  if have apt-get; then
    if [ -z "$(apt_candidate redis-server)" ]; then
      as_root apt-get update -qq >/dev/null 2>&1 || true
    fi
    if ! at_least "$(apt_candidate redis-server)" 7.0; then
      note "apt offers no redis-server of 7.0 or later: see https://redis.io/docs/latest/operate/oss_and_stack/install/"
      return 1
    fi
    if ! can_be_root; then
      note "Run: sudo apt-get install redis-server"
      return 1
    fi
    say "installing redis-server by apt (its service is not started)"
    redis_by_apt || true
  elif have brew; then
    say "installing redis by brew (its service is not started)"
    brew install redis >&2 || true
  else
    note "Install redis-server 7.0 or later (package redis or redis-server), then run this again."
    return 1
  fi
  redis_is_new_enough || return 1
  note "redis-server $(redis_found)"
}

# --- Docker ---------------------------------------------------------------------------------------

# engine_get PATH: the Engine API through its socket, for machines without the docker command.
engine_get() {
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  case $host in
    unix://*) curl -fsS --max-time 15 --unix-socket "${host#unix://}" "http://localhost$1" ;;
    tcp://*) curl -fsS --max-time 15 "http://${host#tcp://}$1" ;;
    *) return 1 ;;
  esac >/dev/null 2>&1
}

engine_answers() {
  if have docker; then
    bounded 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  else
    have curl && engine_get /_ping
  fi
}

# Whether the engine holds the image.
image_is_here() {
  if have docker; then
    bounded 5 docker image inspect "$1" >/dev/null 2>&1
  else
    engine_get "/images/$1/json"
  fi
}

# Whether a registry answers for it: asked, not pulled.
image_is_pullable() {
  if have docker; then
    bounded 15 docker manifest inspect "$1" >/dev/null 2>&1
  else
    engine_get "/distribution/$1/json"
  fi
}
