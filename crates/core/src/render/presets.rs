//! Specs to begin with, as `rcluster new --preset NAME` writes them.

/// A spec to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// The commented spec.
    pub text: &'static str,
    /// The password file that the spec names. It has to be made before the first `up`.
    pub password_file: Option<&'static str>,
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "default",
        about: "three masters and three replicas on 6379-6384, on Docker or as processes",
        text: include_str!("../../../../templates/presets/default.yaml"),
        password_file: None,
    },
    Preset {
        name: "dev",
        about: "six small redis-server processes on 7000-7005, no Docker needed",
        text: include_str!("../../../../templates/presets/dev.yaml"),
        password_file: None,
    },
    Preset {
        name: "external",
        about: "three masters without replicas in Docker, reached from the host on 7001-7003",
        text: include_str!("../../../../templates/presets/external.yaml"),
        password_file: None,
    },
    Preset {
        name: "network",
        about: "redis-cluster-1 to -6 for applications in the same Docker network, with a password",
        text: include_str!("../../../../templates/presets/network.yaml"),
        password_file: Some("redis-password"),
    },
];

/// Every preset; the first is the default.
pub fn presets() -> &'static [Preset] {
    PRESETS
}
