# `just` lists these. Each is a plain command; `just` only saves typing.

default:
    @just --list

# First tier, the gate: what must hold before a change lands. Some 20 minutes on two cores.
ci:
    .ci/run

# The quick tests alone: some 5 minutes once they are built.
test:
    cargo test

# The gate's suites, all tests among them, with their figures: some 12 minutes.
verify:
    tests/verify/run

# Second tier, on demand, as root: every suite at its full size, in hours; writes docs/VERIFICATION.md.
verify-release:
    tests/verify/run release

# Second tier: the protocol as a state machine, explored further than `cargo test` does; some minutes.
model:
    QABYL_MODEL=large cargo test --test model -- --nocapture

# Each rule of the protocol taken out in turn (src/mutant.rs): a test must notice. Names run those alone.
protocol-mutants *NAMES:
    tests/mutants/run {{NAMES}}

# Second tier: cargo-mutants over domain/ and ledger/, in hours. `cargo install cargo-mutants --locked` once.
mutants *OPTIONS:
    cargo mutants {{OPTIONS}}

# kill -9 at every crash point; idle again within 2 s where nothing else runs beside it.
kill:
    QABYL_IDLE_P99_MS=2000 cargo test --features failpoints --test kill -- --nocapture

# The daemon as shipped against hidden limits, bursts, forgotten orders and hostile files, at full size: half an hour.
pace:
    cargo test --test pace -- --include-ignored --test-threads=1 --nocapture

# Hostile stock files of full size, the daemon in a control group of 256 MB: as root, some minutes.
hostile-files:
    tests/pace/hostile-files

# The web app in a real Chromium, with screenshots in target/web; installs what is missing, as root.
web:
    tests/web/run

lint:
    cargo fmt --check
    cargo clippy --all-targets --features failpoints --locked -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Orders being accepted, cancelled and held, against the built-in sandbox.
demo:
    cargo run --release -- demo

# Figures: decisions per second, how fast a backlog drains, a million decisions replayed, a million orders stored.
bench:
    cargo bench --bench decide
    cargo bench --bench drain
    cargo bench --bench replay
    cargo bench --bench history

# A failing disk, a full one, power cuts, stops: needs root, loop devices and a C compiler.
disk:
    cargo test --test disk -- --ignored --test-threads=1 --nocapture

# What Prometheus says of rules and metrics; `apt-get install prometheus` brings promtool.
promtool:
    promtool check rules deploy/prometheus/qabyl.rules.yml
    cargo test --test it surface::

# The tables of docs/LOGGING.md from src/events/.
log-tables:
    QABYL_WRITE_DOCS=1 cargo test --test it log::catalogue

# A new recorded log for docs/LOG_QUESTIONS.md, with its answers.
record-log:
    QABYL_RECORD_LOG=1 cargo test --test it what_is_logged
    INSTA_UPDATE=always cargo test --test it log::questions

# Licences, bans and sources of dependencies. `cargo install cargo-deny` takes some minutes once.
deny:
    cargo deny check bans licenses sources

# Hostile bytes for every parser (fuzz/README.md). The first build takes some minutes.
fuzz *TARGETS:
    fuzz/run {{TARGETS}}

# Requests made up from the API's own document, at a running daemon: `pip install schemathesis` once; some minutes.
schemathesis:
    cargo build
    tests/api/schemathesis

# The unit under a real systemd, the image on a real Docker engine: as root, against `qabyl sandbox`.
deploy:
    deploy/systemd/check
    cargo build
    tests/deploy/nspawn
    tests/deploy/hostile_user
    tests/deploy/docker

# The whole image as deploy/docker/Dockerfile builds it, tried out: as root, some minutes.
image:
    tests/deploy/docker whole

# The Debian package, into target/debian/. `cargo install cargo-deb --locked` takes some minutes once.
deb:
    deploy/debian/build

# The package on an empty Debian: the README's five commands, upgrade, removal, purge. As root.
deb-test:
    tests/deploy/deb
