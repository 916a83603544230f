# Draws sysmond's MCP App, the chart of query_metrics, in headless Chromium as a host would.
# Included by the top Makefile, which sets BUILD. The pictures for people land in build/apps.

.PHONY: test-apps chromium-present
test-apps: $(BUILD)/sysmond | chromium-present
	tests/apps/run.sh $(BUILD)/sysmond

chromium-present:
	@command -v chromium >/dev/null || $(APT) --no-install-recommends chromium
