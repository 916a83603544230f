//! libFuzzer for the target that `EMCP_FUZZ_TARGET` names; `make fuzz` calls it.
#![no_main]

use std::sync::OnceLock;

use emcp_fuzz::TARGETS;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("EMCP_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        let target = found.unwrap_or_else(|| {
            panic!("EMCP_FUZZ_TARGET is {name:?}, not one of {:?}", TARGETS.map(|t| t.name))
        });
        let _ = RUN.set(target.run);
    },
    |data: &[u8]| RUN.get().expect("set by init")(data)
);
