# The collectd plugin: make collectd-plugin builds it, make test-collectd runs it in a real collectd.
# Included by the top Makefile, which sets CC, CFLAGS, WARNINGS, BUILD, EMCP_A and SYSTEM_LIBS.
# COLLECTD_ROOT says where collectd-dev and, for the test, collectd-core are; empty: in the system.
# Left alone, it is the folder into which host-packages of tests/hosts/hosts.mk puts them.

COLLECTD_ROOT ?= $(BUILD)/hosts/root
COLLECTD_PACKAGES := $(if $(filter $(BUILD)/hosts/root,$(COLLECTD_ROOT)),host-packages)
COLLECTD_INCLUDE := $(COLLECTD_ROOT)/usr/include
COLLECTD_SOURCES := $(wildcard integrations/collectd/*.c)
COLLECTD_PARTS := $(wildcard integrations/collectd/*.h integrations/collectd/mcp.map)
# COLLECTD= picks parts of the test, for example COLLECTD="changes shutdown".

.PHONY: collectd-plugin test-collectd
collectd-plugin: $(BUILD)/collectd/mcp.so

# collectd's own headers are no concern of our warnings: -isystem.
# Only module_register is visible, so that no name of emcp or Rust meets one of another plugin.
# A thread of the library's reactor outlives a shutdown: its code must stay mapped.
$(BUILD)/collectd/mcp.so: $(COLLECTD_SOURCES) $(COLLECTD_PARTS) include/emcp.h $(EMCP_A) \
  | $(COLLECTD_PACKAGES)
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -DHAVE_CONFIG_H $(CFLAGS) $(WARNINGS) -fPIC -shared -Iinclude \
	  -isystem $(COLLECTD_INCLUDE) -isystem $(COLLECTD_INCLUDE)/collectd \
	  -o $@ $(COLLECTD_SOURCES) $(EMCP_A) $(SYSTEM_LIBS) \
	  -Wl,--version-script=integrations/collectd/mcp.map -Wl,-z,nodelete -Wl,--gc-sections

test-collectd: $(BUILD)/collectd/mcp.so
	tests/collectd/run.sh "$(COLLECTD_ROOT)" $< $(COLLECTD)
