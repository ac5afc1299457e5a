# The stand-in for rust:1-bookworm: Debian with gcc, this machine's toolchain and its downloaded crates, so
# that the build needs no network. Sourced by `docker` beside it.

engine_toolchain() {
  local folder=$engine_folder/toolchain
  need mmdebstrap=mmdebstrap
  (cd "$repo" && cargo fetch --locked --quiet)
  mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$folder"
  mkdir -p "$folder/usr/local/rust" "$folder/usr/local/cargo/registry"
  cp -a "$(rustc --print sysroot)"/{bin,lib} "$folder/usr/local/rust/"
  cp -a "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$folder/usr/local/cargo/registry/"
  tar -C "$folder" -c . | docker import --change 'ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true' \
    --change 'ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    - rust:1-bookworm >/dev/null
  rm -rf "$folder"
}
