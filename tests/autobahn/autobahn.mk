# The Autobahn cases against the WebSocket frames. Included by the top Makefile.

AUTOBAHN := $(BUILD)/autobahn
# CASES=all runs all cases about compression, for ten minutes.
CASES ?= some

.PHONY: test-websocket
test-websocket: $(AUTOBAHN)/bin/kosoku
	$(CARGO) build --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target --bin echo
	PYTHONPATH=$(AUTOBAHN) python3 tests/autobahn/run.py target/debug/echo $< $(AUTOBAHN)/report \
	  $(CASES)

$(AUTOBAHN)/bin/kosoku: tests/autobahn/requirements.txt
	rm -rf $(AUTOBAHN)
	$(RETRY) python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target $(AUTOBAHN) -r $<
	@touch $@
