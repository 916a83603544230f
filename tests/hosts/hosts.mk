# Tests of emcp inside other programs: examples/hosts, reverse proxies and the collectd plugin.
# Included by the top Makefile, which sets CC, CFLAGS, WARNINGS, BUILD, EMCP_A and SYSTEM_LIBS.

HOSTS := $(BUILD)/hosts
HOST_ROOT := $(HOSTS)/root
MULTIARCH := $(shell $(CC) -print-multiarch)
HOST_LIB := $(HOST_ROOT)/usr/lib/$(MULTIARCH)

# The packages may be here or in the system. RPATH, unlike RUNPATH, also finds what libraries need.
HOST_CFLAGS := -isystem $(HOST_ROOT)/usr/include -isystem $(HOST_ROOT)/usr/include/$(MULTIARCH)
HOST_LDFLAGS := -L$(HOST_LIB) -Wl,--disable-new-dtags,-rpath,$(abspath $(HOST_LIB))
HOST_LIBS_microhttpd := -lmicrohttpd
HOST_LIBS_civetweb := -lcivetweb
HOST_LIBS_evhttp := -levent -levent_pthreads
HOST_LIBS_doors := -lssl -lcrypto

# Every folder of examples/hosts is a daemon; the files beside the folders belong to all of them.
HOST_NAMES := $(notdir $(patsubst %/main.c,%,$(wildcard examples/hosts/*/main.c)))
HOST_PROGRAMS := $(HOST_NAMES:%=$(HOSTS)/%)

.PHONY: host-packages hosts test-hosts test-hosts-daemons
host-packages:
	@tests/hosts/packages.sh $(HOST_ROOT)

hosts: $(HOST_PROGRAMS)

.SECONDEXPANSION:
$(HOST_PROGRAMS): $(HOSTS)/%: $$(wildcard examples/hosts/*.[ch] examples/hosts/%/*.[ch]) \
  include/emcp.h $(EMCP_A) | host-packages
	@mkdir -p $(HOSTS)
	$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude $(HOST_CFLAGS) -o $@ $(filter %.c,$^) \
	  $(EMCP_A) $(HOST_LDFLAGS) $(HOST_LIBS_$*) $(SYSTEM_LIBS)

test-hosts:
	$(MAKE) test-hosts-daemons
	$(MAKE) conformance-mhd
	$(MAKE) test-collectd

# HOST= picks some, for example HOST="microhttpd nginx".
test-hosts-daemons: $(HOST_PROGRAMS)
	@tests/clients/install.sh $(BUILD)/clients
	PYTHONDONTWRITEBYTECODE=1 $(BUILD)/clients/venv-modern/bin/python tests/hosts/run.py \
	  $(HOSTS) $(HOST)
