# A Docker engine of its own, and stand-ins for the images that cannot be pulled: sourced by the scripts
# beside it, after machine.sh. As root; `engine_stop` leaves nothing behind.

engine_folder=
engine_pid=

engine_start() { # FOLDER
  engine_folder=$1
  need dockerd=docker.io docker-compose=docker-compose curl=curl jq=jq nsenter=util-linux
  mkdir -p "$engine_folder"
  export DOCKER_HOST=unix://$engine_folder/socket DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
  # No network but what a test makes itself: nothing of this machine's is touched.
  dockerd --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
    --data-root "$engine_folder/data" --exec-root "$engine_folder/exec" --pidfile "$engine_folder/pid" \
    -H "$DOCKER_HOST" >"$engine_folder/log" 2>&1 &
  engine_pid=$!
  await 40 "dockerd answers" docker info
}

# The client of the package, whatever else is on the path.
docker() { /usr/bin/docker "$@"; }

engine_stop() {
  [ -n "$engine_pid" ] || return 0
  docker ps -aq | xargs -r /usr/bin/docker rm -f >/dev/null 2>&1 || true
  kill "$engine_pid" 2>/dev/null || true
  wait "$engine_pid" 2>/dev/null || true
  awk -v folder="$engine_folder/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r |
    xargs -r -n1 umount 2>/dev/null || true
  find /sys/fs/cgroup/*/docker -depth -type d -exec rmdir {} + 2>/dev/null || true
}

# gcr.io/distroless/cc-debian12:nonroot from the same Debian packages.
engine_distroless() {
  local folder=$engine_folder/distroless package
  mkdir -p "$folder/root" "$folder/packages"
  chmod 777 "$folder/packages"
  (
    cd "$folder/packages"
    apt-get download -qq libc6 libgcc-s1 libstdc++6 libgomp1 libssl3 ca-certificates tzdata base-files netbase \
      >/dev/null 2>&1 || { apt-get update -qq && apt-get download -qq libc6 libgcc-s1 libstdc++6 libgomp1 libssl3 \
      ca-certificates tzdata base-files netbase >/dev/null; }
    for package in *.deb; do dpkg-deb -x "$package" "$folder/root"; done
  )
  (
    cd "$folder/root"
    rm -rf usr/share/{man,locale,lintian,info,bug,gcc*,gdb} usr/share/doc/*/[!c]*
    mkdir -p etc/ssl/certs home/nonroot tmp run
    cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
    printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >etc/passwd
    printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >etc/group
    chown 65532:65532 home/nonroot
    chmod 1777 tmp
    tar -c . | docker import --change 'USER 65532' - gcr.io/distroless/cc-debian12:nonroot >/dev/null
  )
  rm -rf "$folder"
}
