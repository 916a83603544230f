# Fuzzing. Included by the top Makefile, which sets CARGO.

# Coverage feedback from flags of the stable compiler: what a sanitizer would add is not needed where
# all code is safe, and the C layer's tests have sanitizers of their own.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
# Naming the host as the target keeps the flags away from build scripts.
FUZZ_HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# Seconds for one target.
TIME ?= 60
FUZZ_TARGETS := $(notdir $(wildcard fuzz/corpus/*))
TARGET ?= $(FUZZ_TARGETS)
FUZZ_GUIDED = target/fuzz/$(FUZZ_HOST)/guided/guided

.PHONY: fuzz-smoke fuzz fuzz-guided
# The same inputs every time: the corpus and some mutations of it.
fuzz-smoke:
	$(CARGO) run --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target --bin smoke

fuzz-guided: | cxx-present
	RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --profile guided --locked --manifest-path fuzz/Cargo.toml \
	  --features libfuzzer --bin guided --target $(FUZZ_HOST) --target-dir target/fuzz

# libFuzzer, one target after the other. What it finds to reach new code stays in build/fuzz; what
# fails is left there too, as crash-*. `make fuzz TARGET=head TIME=600` runs one for ten minutes.
fuzz: fuzz-guided
	@for target in $(TARGET); do \
	  mkdir -p build/fuzz/$$target && \
	  echo "fuzz: $$target for $(TIME) s" && \
	  EMCP_FUZZ_TARGET=$$target $(FUZZ_GUIDED) build/fuzz/$$target fuzz/corpus/$$target \
	    -max_total_time=$(TIME) -max_len=4096 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$target/crash- -dict=fuzz/words.dict || exit 1; \
	done
