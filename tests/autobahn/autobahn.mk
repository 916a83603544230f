# The Autobahn cases against the WebSocket frames. Included by the top Makefile.

AUTOBAHN := $(BUILD)/autobahn

.PHONY: test-websocket
test-websocket: $(AUTOBAHN)/bin/kosoku
	$(CARGO) build --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target --bin echo
	PYTHONPATH=$(AUTOBAHN) python3 tests/autobahn/run.py target/debug/echo $< $(AUTOBAHN)/report

$(AUTOBAHN)/bin/kosoku: tests/autobahn/requirements.txt
	rm -rf $(AUTOBAHN)
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target $(AUTOBAHN) -r $<
	@touch $@
