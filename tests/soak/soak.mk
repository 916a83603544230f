# Clients of every kind for a while; `make soak TIME=600` for ten minutes. Included by the top
# Makefile. Not a part of `make test`: what it looks for takes longer than a test may.

.PHONY: soak
soak: $(BUILD)/soak-host
	PYTHONDONTWRITEBYTECODE=1 python3 tests/soak/run.py $< $(TIME)

$(BUILD)/soak-host: tests/soak/host.c examples/conformance-host/timer.c include/emcp.h $(EMCP_A)
	@mkdir -p $(BUILD)
	$(CC) -std=c99 $(CFLAGS) $(WARNINGS) -Iinclude -Iexamples/conformance-host -o $@ \
	  $(filter %.c,$^) $(EMCP_A) $(SYSTEM_LIBS)
