# The official conformance suite through libmicrohttpd: every leg of `make conformance`, unchanged.
# Included behind tests/hosts/hosts.mk, which sets HOSTS, HOST_CFLAGS and HOST_LDFLAGS.

ADAPTER_MHD := $(filter-out %/main.c,$(wildcard examples/hosts/microhttpd/*.[ch]))

$(HOSTS)/conformance_mhd: tests/hosts/conformance_mhd.c $(ADAPTER_MHD) \
  $(filter-out %/main.c,$(wildcard examples/conformance-host/*.[ch])) \
  include/emcp.h $(EMCP_A) | host-packages
	@mkdir -p $(HOSTS)
	$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude $(HOST_CFLAGS) -o $@ $(filter %.c,$^) \
	  $(EMCP_A) $(HOST_LDFLAGS) $(HOST_LIBS_microhttpd) $(SYSTEM_LIBS)

.PHONY: conformance-mhd
conformance-mhd: $(HOSTS)/conformance_mhd conformance-suite
	$(NODE) tests/conformance/run.mjs $< $(BUILD)/conformance/node_modules
