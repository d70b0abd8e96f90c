//! Any text is a spec or an error with an exit code of its own: never a panic, never a hang.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcluster_core::error::Kind;
use rcluster_ops::store::spec_file;
use std::path::Path;

fuzz_target!(|text: &str| {
    match spec_file::parse(text, Path::new("rcluster.yaml")) {
        Ok(spec) => {
            // Checking what was read must not panic either.
            let _ = spec.problems();
        }
        Err(error) => assert_eq!(error.kind(), Kind::Usage, "{error}"),
    }
});
