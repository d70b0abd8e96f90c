//! `CLUSTER NODES` of any node, however broken, parses or is refused: it never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcluster_core::snapshot::nodes_text;

fuzz_target!(|text: &str| {
    if let Ok(view) = nodes_text::parse(text) {
        // What was accepted can be asked anything.
        let _ = (view.me(), view.is_alone());
        for line in &view.nodes {
            let _ = line.endpoint();
            assert_eq!(view.line(&line.id).map(|found| &found.id), Some(&line.id));
            assert!(line.slots.count() <= 16384);
        }
    }
});
