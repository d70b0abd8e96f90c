//! `INFO` and `CLUSTER INFO` of any node, however broken, are read without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcluster_core::snapshot::info::Fields;

fuzz_target!(|text: &str| {
    let fields = Fields::parse(text);
    for line in text.lines() {
        if let Some((key, _)) = line.split_once(':') {
            let _ = (fields.text(key), fields.number(key));
        }
    }
});
