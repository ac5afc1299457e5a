# A machine with a real systemd, in a container: sourced by the scripts beside it. As root.
#
# `machine_start ROOT [nspawn's options]` boots it, `inside COMMAND…` runs in it, `machine_stop` ends it
# and leaves nothing behind: killed, nspawn alone would leave the systemd it started.

machine_name=qabyl-test-$$
machine_pid=
machine_leader=

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Installs what is missing, or fails.
need() { # COMMAND=PACKAGE…
  local missing=()
  local pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair##*=}")
  done
  [ ${#missing[@]} = 0 ] && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Waits until a command says yes.
await() { # SECONDS WHAT COMMAND…
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || die "waited in vain: $what"
    sleep 0.05
  done
}

machine_start() { # ROOT OPTION…
  local hierarchy
  machine_root=$1
  shift
  machine_options=("$@")
  # The launcher needs a cgroup of its own; the machine's own lie below it.
  for hierarchy in systemd unified .; do
    [ -e "/sys/fs/cgroup/$hierarchy/cgroup.procs" ] || continue
    mkdir -p "/sys/fs/cgroup/$hierarchy/$machine_name"
  done
  machine_boot
}

machine_boot() {
  local hierarchy
  (
    for hierarchy in systemd unified .; do
      [ -d "/sys/fs/cgroup/$hierarchy/$machine_name" ] || continue
      echo "$BASHPID" >"/sys/fs/cgroup/$hierarchy/$machine_name/cgroup.procs"
    done
    exec systemd-nspawn --quiet --machine="$machine_name" --directory="$machine_root" \
      --private-network --register=no --keep-unit --console=pipe "${machine_options[@]}" -b
  ) </dev/null >"$machine_root.console" 2>&1 &
  machine_pid=$!
  await 30 "the machine's first process" machine_find
  await 60 "the machine to be up" inside systemctl is-active --quiet multi-user.target
}

# Down and up again. Without a manager of its own, nspawn ends at a reboot, with this code.
machine_reboot() {
  local code=0
  inside systemctl reboot 2>/dev/null || true
  wait "$machine_pid" || code=$?
  [ "$code" = 133 ] || die "the machine did not reboot: nspawn ended with $code"
  machine_boot
}

machine_find() {
  machine_leader=$(pgrep -P "$machine_pid" | head -n 1)
  [ -n "$machine_leader" ] && [ "$(cat "/proc/$machine_leader/comm")" = systemd ]
}

inside() {
  nsenter -t "$machine_leader" -a -r -w -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
}

machine_stop() {
  local hierarchy folder
  [ -z "$machine_leader" ] || kill -KILL "$machine_leader" 2>/dev/null || true
  if [ -n "$machine_pid" ]; then
    kill -KILL "$machine_pid" 2>/dev/null || true
    wait "$machine_pid" 2>/dev/null || true
  fi
  for hierarchy in systemd unified .; do
    folder=/sys/fs/cgroup/$hierarchy/$machine_name
    [ -d "$folder" ] || continue
    # What still ends leaves its cgroup by itself, soon.
    for _ in $(seq 100); do
      find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.05
    done
  done
}

# A root without packages: this machine's own /usr, read-only, with what lies below $1/usr on top.
machine_lay() { # ROOT
  local root=$1 link
  mkdir -p "$root"/{etc,var,root,home,opt,tmp,usr,proc,sys,dev,run}
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  cp -a /etc/{passwd,group,shadow,pam.d} "$root/etc/"
  cp -L /etc/os-release "$root/etc/"
  : >"$root/etc/machine-id"
  printf '%s\n' 'passwd: files systemd' 'group: files systemd' 'hosts: files dns' >"$root/etc/nsswitch.conf"
  chmod 755 "$root"
}
