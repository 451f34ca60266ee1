#!/bin/sh
# Installs tnc: a demo on this machine, its tests, or the service on a server. See `./install.sh --help`.
#
# Everything is in functions and the last line calls main, so a truncated copy does nothing at all.
# The environment is `.venv` beside this file, made from a lock file with the hash of every package.
set -eu

usage() {
    cat <<'TEXT'
tnc, the click tracker for your own server

  ./install.sh --demo [--no-serve]     a running tracker with 30 days of generated traffic, as any user
  ./install.sh --test [pytest args]    every test of the project
  ./install.sh                         as root: installs the service; again: upgrades it, with a roll-back
  ./install.sh --check                 checks the requirements of the service; changes nothing
  ./install.sh --uninstall [--purge]   removes the service; keeps the data unless --purge
  ./install.sh --help                  this page

Environment variables
  TNC_VENV            an existing Python environment with the packages; used as it is
  TNC_DEMO_LISTEN     address of the demo's tracking (127.0.0.1:8080); TNC_DEMO_DASHBOARD of its dashboard (127.0.0.1:8400)
  TNC_LISTEN          address of the service's tracking ([::]:80); TNC_DASHBOARD of its dashboard (127.0.0.1:8400)
  TNC_TRUSTED_PROXY   the proxy whose X-Forwarded-For is trusted, as address/bits; default: none
  TNC_OWNER_EMAIL     e-mail address of the first owner (owner@HOST)
TEXT
}

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }

# Prints the reason and, if there is one, what to type next.
die() {
    printf '\ninstall.sh: %s\n' "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# An unfinished environment or release is always removed, because the next run would use it.
UNFINISHED=''
WORK=''
cleanup() {
    if [ -n "$UNFINISHED" ]; then rm -rf "$UNFINISHED"; fi
    if [ -n "$WORK" ]; then rm -rf "$WORK"; fi
}

# ------------------------------------------------------------------------------------------- environment

APT_READY=''
apt_install() {
    is_root && has apt-get || return 1
    if [ -z "$APT_READY" ]; then
        apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; trying with the existing package lists."
        APT_READY=yes
    fi
    say "Installing $* with apt-get" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$WORK/apt.log" 2>&1
}

# Prints the first Python from 3.11 to 3.14 that can create virtual environments.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        found=$(command -v "$candidate") || continue
        if "$found" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            say "$found"
            return 0
        fi
    done
    return 1
}

need_python() {
    find_python && return 0
    if apt_install python3 python3-venv && find_python; then return 0; fi
    if apt_install python3.11 python3.11-venv && find_python; then return 0; fi
    die "there is no Python from 3.11 to 3.14 with its venv module. On Debian 12 and Ubuntu 24.04 or newer type, as root:
    apt-get install python3 python3-venv
then run this again."
}

# Creates or completes $VENV from the lock file of this kind, `run` or `dev`; a second time it only checks a stamp.
prepare_environment() {
    kind=$1
    if [ -n "${TNC_VENV:-}" ]; then
        VENV=$TNC_VENV
        [ -x "$VENV/bin/python" ] || die "TNC_VENV is $VENV, which has no bin/python."
        return 0
    fi
    lock=$ROOT/requirements.lock
    if [ "$kind" = dev ]; then lock=$ROOT/requirements-dev.lock; fi
    [ -f "$lock" ] || die "$(basename "$lock") is missing beside install.sh. Run install.sh from a complete copy of tnc."
    stamp=$VENV/tnc-environment
    wanted="$kind $(cksum <"$lock") $VENV"
    if [ -f "$stamp" ] && ! "$VENV/bin/python" -c '' 2>/dev/null; then rm -f "$stamp"; fi
    if [ -f "$stamp" ] && grep -qxF "$wanted" "$stamp"; then return 0; fi

    started=$(date +%s)
    if [ ! -f "$stamp" ]; then
        python=$(need_python)
        step "Creating $VENV with $python"
        UNFINISHED=$VENV
        rm -rf "$VENV"
        "$python" -m venv "$VENV" >"$WORK/venv.log" 2>&1 || {
            cat "$WORK/venv.log" >&2
            die "$python could not create $VENV. Is the disk full, or the folder read-only?"
        }
    fi
    rm -f "$stamp"
    UNFINISHED=$VENV
    step "Installing the packages of $(basename "$lock") and checking their hashes"
    "$VENV/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: \
        --require-hashes -r "$lock" >"$WORK/pip.log" 2>&1 || {
        tail -n 15 "$WORK/pip.log" >&2
        die "the packages could not be installed; see the output of pip above. Check the network (and HTTPS_PROXY, if you need
a proxy) and run this again. Nothing was left half-installed."
    }
    link_tnc
    # The lock file with the test tools contains everything of the plain one.
    if [ "$kind" = dev ]; then
        printf '%s\nrun %s %s\n' "$wanted" "$(cksum <"$ROOT/requirements.lock")" "$VENV" >"$stamp"
    else
        say "$wanted" >"$stamp"
    fi
    UNFINISHED=''
    say "Ready after $(($(date +%s) - started)) seconds."
}

# `.venv/bin/tnc` runs the code beside this script, from any folder.
link_tnc() {
    packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    say "$ROOT" >"$packages/tnc.pth"
    cat >"$VENV/bin/tnc" <<TEXT
#!/bin/sh
exec "$VENV/bin/python" -m tnc "\$@"
TEXT
    chmod 755 "$VENV/bin/tnc"
}

tnc() { "$VENV/bin/python" -m tnc "$@"; }

# ------------------------------------------------------------------------------------------- --test

run_tests() {
    prepare_environment dev
    for package in chromium chromium-driver strace; do
        program=$package
        if [ "$package" = chromium-driver ]; then program=chromedriver; fi
        if has "$program" || ! is_root || ! has apt-get; then continue; fi
        apt_install "$package" || say "$package could not be installed; the tests that need it are skipped."
    done
    cd "$ROOT"
    # One process more than there are cores, because many tests wait; at most four, because each starts servers.
    workers=$(($(nproc) + 1))
    if [ "$workers" -gt 4 ]; then workers=4; fi
    "$VENV/bin/python" -m pytest --numprocesses "$workers" --dist worksteal "$@"
}

# ------------------------------------------------------------------------------------------- --demo

run_demo() {
    prepare_environment run
    cd "$ROOT"
    if [ ! -e demo-data ]; then
        make_demo
        fill_demo
    fi
    [ -f demo-data/filled ] || die "demo-data/ exists, but this script did not finish it. Look at what is in it;
to create it again, type: rm -r demo-data demo-data.key"
    welcome
    if [ "$SERVE" = yes ]; then
        cleanup
        # The receiver ends when the process that started it does, which becomes the server. A demo of an earlier
        # version has none.
        if grep -q '^allow_hosts' demo-data/config.toml; then
            "$VENV/bin/python" -m tnc.admin.demo.receiver demo-data/config.toml &
        fi
        exec "$VENV/bin/python" -m tnc --config demo-data/config.toml serve
    fi
}

make_demo() {
    step "Creating demo-data/"
    listen=${TNC_DEMO_LISTEN:-127.0.0.1:8080}
    dashboard=${TNC_DEMO_DASHBOARD:-127.0.0.1:8400}
    password=$("$VENV/bin/python" -c 'import secrets; print(secrets.token_urlsafe(12))')
    say "$password" | tnc init --data demo-data --listen "$listen" --dashboard "$dashboard" \
        --owner-email owner@example.com --owner-password-stdin >"$WORK/init.log" || {
        cat "$WORK/init.log" >&2
        die "demo-data/ could not be created; see the line above."
    }
    # The conversions of the demo are sent to a receiver on this machine, on the port after that of the dashboard.
    receiver=127.0.0.1:$((${dashboard##*:} + 1))
    sed "s/^# allow_hosts = .*/allow_hosts = [\"$receiver\"]/" demo-data/config.toml >"$WORK/config.toml"
    cat "$WORK/config.toml" >demo-data/config.toml
    (umask 077 && printf 'listen=%s\ndashboard=%s\nemail=owner@example.com\npassword=%s\n' \
        "$listen" "$dashboard" "$password" >demo-data/sign-in)
}

fill_demo() {
    step "Adding an example campaign and 30 days of generated traffic"
    "$VENV/bin/python" -m tnc.admin.demo demo-data/config.toml
    : >demo-data/filled
}

remembered() { sed -n "s/^$1=//p" demo-data/sign-in; }

welcome() {
    tracking=http://$(remembered listen)
    cat <<TEXT

== tnc is ready

  Click this link           $tracking/shoes?ext=first-click&site=news.example&creative=blue
  see it in the click log   http://$(remembered dashboard)
  sign in as                $(remembered email)
  with the password         $(remembered password)

  the click in a terminal   .venv/bin/tnc --config demo-data/config.toml clicks --limit 1
  why it went there         .venv/bin/tnc --config demo-data/config.toml explain CLICK_ID
  send the sale's postback  curl '$tracking/postback?cid=CLICK_ID&status=sale&payout=12.5&key=demo-key'
  see the first report      .venv/bin/tnc --config demo-data/config.toml report --by offer --from 30d

TEXT
}

# ------------------------------------------------------------------------------------------- the service

ETC=/etc/tnc
DATA=/var/lib/tnc
OPT=/opt/tnc
UNIT=/etc/systemd/system/tnc.service
COMMAND=/usr/local/bin/tnc

FAILED=''
report_check() { # report_check yes|no|warn WHAT ADVICE
    case $1 in
    yes) printf '  ok    %s\n' "$2" ;;
    warn) printf '  note  %s: %s\n' "$2" "$3" ;;
    no)
        printf '  no    %s: %s\n' "$2" "$3"
        FAILED=yes
        ;;
    esac
}

# check WHAT ADVICE COMMAND...
check() {
    what=$1 advice=$2
    shift 2
    if "$@" >/dev/null 2>&1; then report_check yes "$what"; else report_check no "$what" "$advice"; fi
}

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
has_systemd() { [ -d /run/systemd/system ] && at_least "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" 247; }
has_glibc() { at_least "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)" 2.34; }
has_machine() { case $(uname -m) in x86_64 | aarch64) return 0 ;; *) return 1 ;; esac; }
has_memory() { [ "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)" -ge 450000 ]; }
has_disk() { [ "$(df -Pk /opt | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')" -ge 1000000 ]; }
clock_is_sane() { [ "$(date +%Y)" -ge 2026 ]; }
files_are_here() { [ -f "$ROOT/requirements.lock" ] && [ -f "$ROOT/tnc/__main__.py" ]; }
installs_python() { has apt-get || find_python; }

port_is_free() {
    python=$(find_python) || return 0
    "$python" - "$1" <<'CODE'
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
host = host.strip("[]")
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family) as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((host, int(port)))
CODE
}

is_installed() { [ -f "$ETC/config.toml" ]; }

check_server() {
    step "Checking this server"
    check "complete copy of tnc" "run install.sh from a complete copy of tnc" files_are_here
    check "root" "run this as root, for example: sudo ./install.sh" is_root
    check "systemd 247 or newer" "tnc runs under systemd; on another system use --demo or start 'tnc serve' yourself" has_systemd
    check "64-bit x86 or ARM" "tnc has no packages for $(uname -m)" has_machine
    check "glibc 2.34 or newer" "use Debian 12, Ubuntu 22.04 or newer" has_glibc
    check "512 MB of memory" "use a server with more memory" has_memory
    check "1 GB free in /opt" "free some disk space first" has_disk
    check "the clock" "it says $(date); set it first, for example: timedatectl set-ntp true" clock_is_sane
    check "Python 3.11 or newer" "install python3 and python3-venv" installs_python
    if ! is_installed; then
        listen=${TNC_LISTEN:-$(default_listen)}
        check "port of $listen" "another program listens there; to run behind it: TNC_LISTEN=127.0.0.1:8080 TNC_TRUSTED_PROXY=127.0.0.1/32 ./install.sh" port_is_free "$listen"
    fi
}

default_listen() { if [ -e /proc/net/if_inet6 ]; then say '[::]:80'; else say '0.0.0.0:80'; fi; }

install_service() {
    check_server
    [ -z "$FAILED" ] || die "this server is not ready: see the lines marked 'no'. Nothing was changed."
    # The service must not depend on a Python in a home directory.
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    build_release
    if ! is_installed; then
        first_install
    elif [ ! -e "$OPT/current" ]; then
        start_service
        say "tnc runs again with the settings in $ETC and the data in $DATA."
    else
        upgrade_service
    fi
}

# Each release has its own folder, named by its contents; `current` points to the one that runs.
build_release() {
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$ROOT/tnc/__init__.py")
    content=$(cd "$ROOT" && find tnc requirements.lock -type f ! -name '*.pyc' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
    RELEASE=$OPT/releases/$version-$content
    VENV=$RELEASE/.venv
    [ ! -f "$RELEASE/complete" ] || return 0
    step "Building $RELEASE"
    rm -rf "$RELEASE"
    mkdir -p "$RELEASE"
    UNFINISHED=$RELEASE
    (cd "$ROOT" && cp -R tnc requirements.lock install.sh LICENSE "$RELEASE/")
    ROOT=$RELEASE
    TNC_VENV='' prepare_environment run
    UNFINISHED=$RELEASE
    "$VENV/bin/python" -m compileall -q "$RELEASE/tnc"
    chmod -R a+rX,go-w "$RELEASE"
    (cd / && "$VENV/bin/python" -c 'import tnc.app, tnc.cli') || die "the new version does not start on this machine. Nothing was changed."
    : >"$RELEASE/complete"
    UNFINISHED=''
}

point_current() {
    ln -sfn "$1" "$OPT/current.new"
    mv -Tf "$OPT/current.new" "$OPT/current"
}

first_install() {
    step "Creating the user tnc, $ETC and $DATA"
    id tnc >/dev/null 2>&1 || useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin tnc
    install -d -o tnc -g tnc -m 0750 "$ETC"
    install -d -o tnc -g tnc -m 0700 "$DATA"
    point_current "$RELEASE"
    if [ ! -f "$DATA/config.toml" ]; then
        # shellcheck disable=SC2086 # an option and its value, or nothing
        as_tnc init --data "$DATA" --key "$ETC/key" --listen "${TNC_LISTEN:-$(default_listen)}" \
            --dashboard "${TNC_DASHBOARD:-127.0.0.1:8400}" ${TNC_TRUSTED_PROXY:+--trusted-proxy "$TNC_TRUSTED_PROXY"} \
            ${TNC_OWNER_EMAIL:+--owner-email "$TNC_OWNER_EMAIL"} >"$WORK/init.log"
        grep -v '^next' "$WORK/init.log" # it names the settings file, which is moved below
    fi
    # The settings file is in /etc, so the path of the data must be absolute.
    sed "s#^data = .*#data = \"$DATA\"#" "$DATA/config.toml" >"$ETC/config.toml.new"
    chown tnc:tnc "$ETC/config.toml.new"
    chmod 0640 "$ETC/config.toml.new"
    mv "$ETC/config.toml.new" "$ETC/config.toml"
    rm "$DATA/config.toml"
    start_service
    fetch_address_data
    host=$(hostname -f 2>/dev/null || hostname)
    cat <<TEXT

== tnc is running

  The dashboard listens on this server only. On your own computer type:
      ssh -L 8400:${TNC_DASHBOARD:-127.0.0.1:8400} root@$host      then open http://127.0.0.1:8400
  Sign in with the e-mail address and the password printed above.

  Country data is built in. City, network and VPN data is being downloaded: tnc ipdb list shows what is installed,
  and tnc ipdb update shows errors.

  Settings  $ETC/config.toml       Data  $DATA       Key  $ETC/key
  Copy $ETC/key to a safe place away from this server: without it nothing can be decrypted, not even backups.
TEXT
}

start_service() {
    point_current "$RELEASE"
    write_command
    write_unit || true
    systemctl enable --quiet tnc
    systemctl restart tnc
    wait_until_up || die "tnc does not start. See its log: journalctl -u tnc -n 50"
}

upgrade_service() {
    previous=$(readlink "$OPT/current" || true)
    if [ "$previous" = "$RELEASE" ] && ! write_unit && systemctl is-active --quiet tnc; then
        say "This version is already installed and running."
        return 0
    fi
    step "Upgrading to $(basename "$RELEASE")"
    before=$DATA.before-upgrade
    used=$(du -sk "$DATA" | cut -f1)
    [ "$(df -Pk "$(dirname "$DATA")" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')" -gt $((used + 100000)) ] ||
        die "there is not enough disk space for the copy of $DATA ($used kB) that an upgrade makes first. Nothing was changed."
    systemctl stop tnc
    rm -rf "$before"
    cp -a --reflink=auto "$DATA" "$before"
    point_current "$RELEASE"
    write_command
    write_unit || true
    systemctl restart tnc || true
    if wait_until_up; then
        # The copy contains the old keyring, which could decrypt what is erased later.
        rm -rf "$before"
        remove_old_releases "$previous"
        say "tnc $(basename "$RELEASE") is running."
        return 0
    fi
    journalctl -u tnc -n 20 --no-pager >&2 || true
    systemctl stop tnc || true
    rm -rf "$DATA.failed"
    mv "$DATA" "$DATA.failed"
    mv "$before" "$DATA"
    point_current "$previous"
    systemctl restart tnc
    wait_until_up || die "neither the new version nor the previous one starts. The data is in $DATA; see journalctl -u tnc"
    die "the new version did not start; the previous one runs again with the data from before the upgrade. The log of the new
version is above, its data is in $DATA.failed. Delete that folder after you have looked at it, because it can decrypt what
you erase from now on."
}

remove_old_releases() {
    for release in "$OPT"/releases/*; do
        case $release in "$RELEASE" | "$1") ;; *) rm -rf "$release" ;; esac
    done
}

as_tnc() { (cd / && runuser -u tnc -- "$OPT/current/.venv/bin/python" -m tnc "$@"); }

# Run as root, the command switches to the user of the service, so that it creates no files that the service cannot open.
write_command() {
    cat >"$COMMAND" <<TEXT
#!/bin/sh
export TNC_CONFIG="\${TNC_CONFIG:-$ETC/config.toml}"
if [ "\$(id -u)" -eq 0 ]; then
    exec runuser -u tnc -- $OPT/current/.venv/bin/python -m tnc "\$@"
fi
exec $OPT/current/.venv/bin/python -m tnc "\$@"
TEXT
    chmod 755 "$COMMAND"
}

wait_until_up() {
    tries=0
    while [ "$tries" -lt 30 ]; do
        if ! systemctl is-active --quiet tnc && [ "$tries" -gt 2 ]; then return 1; fi
        if healthy; then return 0; fi
        tries=$((tries + 1))
        sleep 1
    done
    return 1
}

healthy() {
    "$VENV/bin/python" - "$ETC/config.toml" 2>/dev/null <<'CODE'
import http.client, pathlib, sys
from tnc.core.settings import load
listen = load(pathlib.Path(sys.argv[1])).listen
host = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(listen.host, listen.host)
connection = http.client.HTTPConnection(host, listen.port, timeout=3)
connection.request("GET", "/-/health")
sys.exit(connection.getresponse().status != 200)
CODE
}

# The first download of geo and IP data, in the background; later the server does this by itself.
fetch_address_data() {
    systemd-run --quiet --collect --unit=tnc-address-data --uid=tnc --gid=tnc --nice=10 \
        --setenv=TNC_CONFIG="$ETC/config.toml" "$OPT/current/.venv/bin/python" -m tnc ipdb update >/dev/null 2>&1 ||
        say "Geo and IP data is not being downloaded. Type: tnc ipdb update"
}

# Succeeds if it changed the unit file, fails if that was up to date.
write_unit() {
    cat >"$WORK/tnc.service" <<TEXT
[Unit]
Description=tnc click tracker
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=exec
User=tnc
Group=tnc
ExecStart=$OPT/current/.venv/bin/python -m tnc --config $ETC/config.toml serve
ExecReload=/bin/kill -HUP \$MAINPID
WorkingDirectory=$DATA
StateDirectory=tnc
StateDirectoryMode=0700
Restart=always
RestartSec=1
TimeoutStopSec=30
LimitNOFILE=65536
UMask=0077
Environment=PYTHONDONTWRITEBYTECODE=1

# The service may only open ports 80 and 443, use the network and write its own data.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
TEXT
    if cmp -s "$WORK/tnc.service" "$UNIT"; then return 1; fi
    cp "$WORK/tnc.service" "$UNIT"
    chmod 644 "$UNIT"
    systemctl daemon-reload
}

uninstall_service() {
    is_root || die "only root can uninstall the service: sudo ./install.sh --uninstall"
    systemctl disable --now --quiet tnc 2>/dev/null || true
    rm -f "$UNIT" "$COMMAND"
    systemctl daemon-reload 2>/dev/null || true
    rm -rf "$OPT"
    if [ "$PURGE" = yes ]; then
        rm -rf "$ETC" "$DATA" "$DATA.before-upgrade" "$DATA.failed"
        if id tnc >/dev/null 2>&1; then userdel tnc; fi
        say "tnc, its data, its key and its user are removed."
    else
        say "tnc is removed. Its data is still in $DATA, its settings and key in $ETC; ./install.sh installs it again,
./install.sh --uninstall --purge deletes them."
    fi
}

# ------------------------------------------------------------------------------------------- main

main() {
    ROOT=$(cd "$(dirname "$0")" && pwd)
    VENV=$ROOT/.venv
    SERVE=yes
    PURGE=no
    action=${1:-}
    if [ $# -gt 0 ]; then shift; fi
    case "$action ${1:-}" in
    '--demo --no-serve') SERVE=no && shift ;;
    '--uninstall --purge') PURGE=yes && shift ;;
    esac
    if [ "$action" != --test ] && [ $# -gt 0 ]; then
        usage >&2
        printf '\ninstall.sh: %s does not take "%s".\n' "$action" "$1" >&2
        exit 2
    fi
    WORK=$(mktemp -d)
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    case $action in
    --demo) run_demo ;;
    --test) run_tests "$@" ;;
    --check)
        check_server
        [ -z "$FAILED" ] || exit 1
        ;;
    --uninstall) uninstall_service ;;
    --help | -h) usage ;;
    '') install_service ;;
    *)
        usage >&2
        printf '\ninstall.sh: unknown option "%s".\n' "$action" >&2
        exit 2
        ;;
    esac
}

{ main "$@"; }
