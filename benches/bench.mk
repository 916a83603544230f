# make bench and make instructions: the servers of benches/exchange, put into one folder.
# Included by the top Makefile behind tests/hosts/hosts.mk, which sets HOST_CFLAGS and HOST_LDFLAGS.

BENCH := $(BUILD)/bench
SERVERS := $(BENCH)/servers
BENCH_PEERS := rmcp turbomcp3 turbomcp ts1 ts2 py1 py2
BENCH_RUST_PEERS := $(patsubst %/Cargo.toml,%,$(wildcard benches/peers/*/Cargo.toml))
BENCH_CFLAGS := -std=c11 -O2 $(WARNINGS) -Iinclude
ADAPTER := $(filter-out %/main.c,$(wildcard examples/hosts/microhttpd/*.[ch]))

# The commit that is measured, in one line.
BENCH_COMMIT = $$(git log -1 --format='%h %s, %cs' 2>/dev/null || echo an unknown commit)
EXCHANGE = EMCP_BENCH_SERVERS=$(abspath $(SERVERS)) EMCP_BENCH_COMMIT="$(BENCH_COMMIT)" \
  $(CARGO) bench --quiet --bench exchange --

.PHONY: bench bench-quick bench-memory instructions bench-own bench-peers bench-host
# About half an hour; the machine should do nothing else.
bench: bench-own bench-peers
	$(EXCHANGE) --write $(abspath benches/RESULTS.md) $(ROWS)

# About a minute: emcp and the floor alone.
bench-quick: bench-own
	$(EXCHANGE) --quick --alone --write $(abspath $(BENCH)/quick.md) $(ROWS)

# What idle peers take, 1,000 and 5,000 of them. Does not mind what else the machine does.
bench-memory: bench-host
	$(EXCHANGE) --memory $(ROWS)

# Does not mind what else the machine does. ACCEPT=1 records what it finds.
instructions: bench-host | valgrind-present
	EMCP_BENCH_SERVERS=$(abspath $(SERVERS)) EMCP_BENCH_COMMIT="$$(git log -1 --format=%s)" \
	  $(CARGO) bench --quiet --bench exchange -- \
	  --instructions $(abspath benches/instructions.txt) $(if $(ACCEPT),--accept) $(ROWS)

bench-own: bench-host $(SERVERS)/floor $(SERVERS)/listener $(SERVERS)/floor_mhd \
  $(SERVERS)/microhttpd $(SERVERS)/stripped/libemcp.so $(SERVERS)/stripped/sysmond

bench-host:
	@mkdir -p $(SERVERS)
	$(CARGO) build --release --example bench_host
	ln -sf $(abspath target/release/examples/bench_host) $(SERVERS)/bench_host

$(SERVERS)/floor: benches/peers/floor.c
	@mkdir -p $(SERVERS)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

$(SERVERS)/listener: benches/hosts/listener.c benches/hosts/tools.c benches/hosts/tools.h \
  include/emcp.h $(EMCP_A)
	@mkdir -p $(SERVERS)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) $(EMCP_A) $(SYSTEM_LIBS)

$(SERVERS)/floor_mhd: benches/peers/floor_mhd.c | host-packages
	@mkdir -p $(SERVERS)
	$(CC) $(BENCH_CFLAGS) $(HOST_CFLAGS) -o $@ $< $(HOST_LDFLAGS) $(HOST_LIBS_microhttpd)

$(SERVERS)/microhttpd: benches/hosts/microhttpd.c benches/hosts/tools.c benches/hosts/tools.h \
  $(ADAPTER) include/emcp.h $(EMCP_A) | host-packages
	@mkdir -p $(SERVERS)
	$(CC) $(BENCH_CFLAGS) $(HOST_CFLAGS) -o $@ $(filter %.c,$^) $(EMCP_A) $(HOST_LDFLAGS) \
	  $(HOST_LIBS_microhttpd) $(SYSTEM_LIBS)

$(SERVERS)/stripped/%: $(BUILD)/%
	@mkdir -p $(@D)
	strip -o $@ $<

$(SERVERS)/stripped/libemcp.so: $(EMCP_LIB)
	@mkdir -p $(@D)
	strip -o $@ $<

# A peer that cannot be built here is left out.
bench-peers: $(BENCH_PEERS:%=bench-peer-%)
bench-peer-%:
	@CARGO="$(CARGO)" benches/peers/build.sh $* $(BENCH) || \
	  echo "the peer $* is left out: $(BENCH)/$*.log says why"
