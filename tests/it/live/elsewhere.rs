//! An engine that is reached by a socket of this host and publishes on another one, as through a tunnel:
//! rcluster runs in a network of its own, into which a socket leads and no published port.

use crate::rig::{On, Rig, run, runs, skip};

const TEST: &str = "an_engine_that_publishes_on_another_host_is_named";

#[test]
fn an_engine_that_publishes_on_another_host_is_named() {
    if !runs("unshare", "--version") {
        return skip(TEST, "there is no unshare");
    }
    let Some(rig) = Rig::new(On::Docker, TEST) else {
        return;
    };
    let apart = |command: &str| {
        let mut unshare = rig.program("unshare");
        let script = format!("ip link set lo up && exec {command}");
        unshare.args(["--map-root-user", "--net", "sh", "-c", &script]);
        unshare.env("RCLUSTER", env!("CARGO_BIN_EXE_rcluster"));
        run(unshare)
    };
    let tried = apart("docker version");
    if tried.code != 0 {
        return skip(TEST, &format!("no network of its own: {}", tried.err));
    }
    rig.spec("");
    let said = apart("$RCLUSTER up --timeout 600").expect(1);
    assert!(
        said.err.contains("seems to be on another host") && said.err.contains("`listen: ADDRESS`"),
        "{}",
        said.err
    );
    // Here they answer.
    rig.ok(&["up"]);
}
