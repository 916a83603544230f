# C tests: one program per promise of emcp.h, each built twice: with AddressSanitizer and UBSan, and
# plain for valgrind. Included by the top Makefile, which sets CC, CXX, BUILD and EMCP_LIB.

C_WARNINGS := -Wall -Wextra -Wpedantic -Werror
C_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# A test that hangs is killed after this many seconds; valgrind is slow on a busy machine.
C_TEST_SECONDS_MAX := 180

C_TESTS := $(basename $(notdir $(wildcard tests/c/*.c tests/c/*.cpp)))
C_TEST_HEADERS := $(wildcard tests/c/*.h) include/emcp.h
C_LINK := -pthread -Wl,-rpath,'$$ORIGIN/../lib'
# Tests that need OpenSSL: the program brings TLS of its own, or the client does.
C_TLS_TESTS := adopt_tls adopt_tls_end adopt_upgrade listen_tls
C_TLS_PROGRAMS := $(C_TLS_TESTS:%=$(BUILD)/c/plain/%) $(C_TLS_TESTS:%=$(BUILD)/c/asan/%)

# The suppressions need the whole way back to the global that is being made: 120 callers.
VALGRIND := valgrind --quiet --error-exitcode=99 --num-callers=120 --leak-check=full \
  --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect,possible \
  --child-silent-after-fork=yes --suppressions=tests/c/valgrind.supp

.PHONY: test-c test-c-asan test-c-valgrind test-c-header
test-c: test-c-header test-c-asan test-c-valgrind
test-c-asan: $(C_TESTS:%=run-asan-%)
test-c-valgrind: $(C_TESTS:%=run-valgrind-%)

# The header, the examples and the recipes, as the strictest host would compile them; and whether
# the tests that docs/protocol.md names are there.
test-c-header: cxx-present $(BUILD)/metric_chart.inc
	$(CC) -std=c99 $(C_WARNINGS) -fsyntax-only -x c include/emcp.h
	$(CXX) -std=c++11 $(C_WARNINGS) -fsyntax-only -x c++ include/emcp.h
	$(CC) -std=c99 $(C_WARNINGS) -fsyntax-only -Iinclude \
	  $(wildcard examples/c/*.c examples/conformance-host/*.c)
	$(CC) -std=c11 $(C_WARNINGS) -fsyntax-only -Iinclude -I$(BUILD) \
	  $(wildcard examples/sysmond/*.c)
	python3 tests/docs/snippets.py $(CC) docs/embedding.md docs/features.md docs/oauth.md docs/tls.md
	python3 tests/docs/protocol.py docs/protocol.md

# The programs look for the library under the name that the linker has put into them.
$(BUILD)/c/lib/linked: $(EMCP_LIB)
	@mkdir -p $(@D)
	soname=$$(readelf -d $(EMCP_LIB) | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p'); \
	  ln -sf $(abspath $(EMCP_LIB)) $(@D)/$${soname:-$(notdir $(EMCP_LIB))}
	@touch $@

$(BUILD)/c/plain/%: tests/c/%.c $(C_TEST_HEADERS) $(BUILD)/c/lib/linked
	@mkdir -p $(@D)
	$(CC) -std=c99 -g -O1 $(C_WARNINGS) -Iinclude -o $@ $< $(EMCP_LIB) $(C_LINK)

$(BUILD)/c/plain/%: tests/c/%.cpp include/emcp.h $(BUILD)/c/lib/linked | cxx-present
	@mkdir -p $(@D)
	$(CXX) -std=c++11 -g -O1 $(C_WARNINGS) -Iinclude -o $@ $< $(EMCP_LIB) $(C_LINK)

$(BUILD)/c/asan/%: tests/c/%.c $(C_TEST_HEADERS) $(BUILD)/c/lib/linked
	@mkdir -p $(@D)
	$(CC) -std=c99 -g -O1 $(C_SANITIZE) $(C_WARNINGS) -Iinclude -o $@ $< $(EMCP_LIB) $(C_LINK)

$(BUILD)/c/asan/%: tests/c/%.cpp include/emcp.h $(BUILD)/c/lib/linked | cxx-present
	@mkdir -p $(@D)
	$(CXX) -std=c++11 -g -O1 $(C_SANITIZE) $(C_WARNINGS) -Iinclude -o $@ $< $(EMCP_LIB) $(C_LINK)

$(C_TLS_PROGRAMS): C_LINK += -lssl -lcrypto
$(C_TLS_PROGRAMS): | openssl-present

.PHONY: valgrind-present cxx-present openssl-present $(C_TESTS:%=run-asan-%) $(C_TESTS:%=run-valgrind-%)
$(C_TESTS:%=run-asan-%): run-asan-%: $(BUILD)/c/asan/%
	@timeout $(C_TEST_SECONDS_MAX) $<

$(C_TESTS:%=run-valgrind-%): run-valgrind-%: $(BUILD)/c/plain/% | valgrind-present
	@timeout $(C_TEST_SECONDS_MAX) $(VALGRIND) $<

valgrind-present:
	@command -v valgrind >/dev/null || $(APT) valgrind

cxx-present:
	@command -v $(CXX) >/dev/null || $(APT) g++

openssl-present:
	@printf '#include <openssl/ssl.h>\n' | $(CC) -E -x c - >/dev/null 2>&1 || \
	  $(APT) libssl-dev
