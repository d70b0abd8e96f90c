//! What a node's container is. The rendered compose file and the Docker runtime both read it from
//! here, so that each can take over what the other started.

use super::launch::{Launch, NodeLaunch};
use crate::{node::NodeName, snapshot::place::ShapeHash, spec::ClusterName};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Where redis.conf is in the container; only root can read it.
pub const CONF: &str = "/usr/local/etc/redis/redis.conf";

/// Where a node keeps its data.
pub const DATA: &str = "/data";

/// File descriptors that a node needs beside those of its clients (`CONFIG_MIN_RESERVED_FDS` in
/// server.h), with room for the cluster bus: two links to each of up to 1000 peers.
const RESERVED_FDS: u64 = 32 + 2000;

/// Label keys of our own.
pub mod label {
    /// The cluster's name, on everything that belongs to a cluster.
    pub const CLUSTER: &str = "rcluster.cluster";
    /// The node's name, on containers and volumes.
    pub const NODE: &str = "rcluster.node";
    /// The node's client port.
    pub const PORT: &str = "rcluster.port";
    /// The node's bus port.
    pub const BUS_PORT: &str = "rcluster.bus-port";
    /// Hash of the container's shape.
    pub const SPEC_HASH: &str = "rcluster.spec-hash";
    /// Version of this set of labels.
    pub const SCHEMA: &str = "rcluster.schema";
    /// The user who started it; absent if compose did.
    pub const OWNER: &str = "rcluster.owner";
}

/// The value of [`label::SCHEMA`].
pub const SCHEMA: &str = "1";

/// Seconds between two health checks.
pub const HEALTH_INTERVAL_SECONDS: u64 = 10;

/// Everything about a node's container that cannot change while it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// The image.
    pub image: String,
    /// The command, run as root by the image's entrypoint.
    pub command: Vec<String>,
    /// The health check, as an exec form.
    pub health: Vec<String>,
    /// The port that is published.
    pub publish: Publish,
    /// `nofile` limit, soft and hard.
    pub nofile: u64,
    /// Named volume for [`DATA`].
    pub volume: String,
    /// The network.
    pub network: String,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publish {
    /// The address of the host.
    pub listen: IpAddr,
    /// The port of the host; `None`: Docker chooses one.
    pub host_port: Option<u16>,
    /// The port of the container.
    pub container_port: u16,
}

impl Shape {
    /// The shape of a node's container.
    pub fn of(launch: &Launch, node: &NodeLaunch) -> Self {
        Shape {
            image: launch.image.clone(),
            command: command(),
            health: health(node.port),
            publish: Publish {
                listen: launch.listen,
                host_port: launch.ports_differ().then_some(node.port),
                container_port: node.port,
            },
            nofile: max_clients(node) + RESERVED_FDS,
            volume: volume_name(&launch.name, &node.name),
            network: network_name(&launch.name),
        }
    }

    /// The hash for a new container's label: `v2:` and sixteen hex digits of the SHA-256 of
    /// `name=value` lines, in this order.
    ///
    /// A container keeps its label for as long as it exists, so a change here must not make `up`
    /// refuse every cluster that an earlier rcluster started:
    /// - A field that is added here enters the text only if it differs from what containers had
    ///   before there was the field.
    /// - Any other change (a new command, say) takes a new prefix, and [`Shape::hashes`] goes on to
    ///   name what earlier versions would have written.
    pub fn hash(&self) -> String {
        let Shape {
            image,
            command,
            health,
            publish:
                Publish {
                    listen,
                    host_port,
                    container_port,
                },
            nofile,
            volume,
            network,
        } = self;
        // In JSON, no value can contain a line break and so look like another field.
        let fields = [
            ("image", json!(image)),
            ("command", json!(command)),
            ("health", json!(health)),
            ("listen", json!(listen)),
            ("host_port", json!(host_port)),
            ("container_port", json!(container_port)),
            ("nofile", json!(nofile)),
            ("volume", json!(volume)),
            ("network", json!(network)),
        ];
        let lines = fields.map(|(name, value)| format!("{name}={value}\n"));
        format!("v2:{}", sixteen_digits(&lines.concat()))
    }

    /// Every hash that a container with this shape may have on its label.
    pub fn hashes(&self) -> ShapeHash {
        ShapeHash {
            current: self.hash(),
            earlier: vec![self.hash_before_versions()],
        }
    }

    /// The hash that rcluster wrote before hashes had a prefix: that of `{:?}`, spelt out so that
    /// it never changes. It is computed because, if such a hash counted as "unknown", `up` would
    /// keep a container whose image or port is not the wanted one.
    fn hash_before_versions(&self) -> String {
        let Shape {
            image,
            command,
            health,
            publish:
                Publish {
                    listen,
                    host_port,
                    container_port,
                },
            nofile,
            volume,
            network,
        } = self;
        sixteen_digits(&format!(
            "Shape {{ image: {image:?}, command: {command:?}, health: {health:?}, \
             publish: Publish {{ listen: {listen}, host_port: {host_port:?}, \
             container_port: {container_port} }}, nofile: {nofile}, volume: {volume:?}, \
             network: {network:?} }}"
        ))
    }
}

fn sixteen_digits(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let first = digest.iter().take(8);
    first.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// `<cluster>-<node>`, for people; rcluster finds containers by label.
pub fn container_name(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{cluster}-{node}")
}

/// The network's name in the compose file, and the prefix of the volumes' names there. The engine's
/// names have the project's name in front, as compose does it.
pub const NETWORK_KEY: &str = "cluster";

/// The network's name on the engine.
pub fn network_name(cluster: &ClusterName) -> String {
    format!("{cluster}_{NETWORK_KEY}")
}

/// The compose file's name of a node's volume.
pub fn volume_key(node: &NodeName) -> String {
    format!("{node}-data")
}

/// The volume's name on the engine.
pub fn volume_name(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{cluster}_{}", volume_key(node))
}

/// Labels that say to which cluster and node something belongs.
pub fn labels(launch: &Launch, node: Option<&NodeLaunch>) -> Vec<(&'static str, String)> {
    let mut labels = vec![
        (label::CLUSTER, launch.name.to_string()),
        (label::SCHEMA, SCHEMA.to_owned()),
    ];
    if let Some(node) = node {
        labels.extend([
            (label::NODE, node.name.to_string()),
            (label::PORT, node.port.to_string()),
            (label::BUS_PORT, node.bus_port.to_string()),
        ]);
    }
    labels
}

/// The container's command. redis.conf may hold the password, so on the host and in the container
/// only its owner can read it; root copies it for the user as whom the image's entrypoint then runs
/// the server. The same command works for a file that compose mounted and for one that the API put
/// there.
fn command() -> Vec<String> {
    let script = format!(
        "umask 077 && cp {CONF} /run/redis.conf && chown redis /run/redis.conf \
         && exec docker-entrypoint.sh redis-server /run/redis.conf"
    );
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

/// The health check. It needs no password: a node that asks for one is as alive as one that answers
/// PONG.
fn health(port: u16) -> Vec<String> {
    let script = format!(
        "case \"$(redis-cli -p {port} ping 2>&1)\" in *PONG*|*NOAUTH*) exit 0;; *) exit 1;; esac"
    );
    vec!["CMD".to_owned(), "sh".to_owned(), "-c".to_owned(), script]
}

/// The node's `maxclients`, or Redis's default (10000) if that is not a number.
fn max_clients(node: &NodeLaunch) -> u64 {
    node.redis
        .get("maxclients")
        .and_then(super::directive::Value::config_set)
        .and_then(|value| value.parse().ok())
        .unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RuntimeKind, Spec};

    #[test]
    fn the_hash_follows_the_shape_and_not_what_redis_can_be_told() {
        let spec = Spec::default();
        let launch = Launch::new(&spec, RuntimeKind::Docker, 6379);
        let hash = |launch: &Launch| Shape::of(launch, &launch.nodes[0]).hash();
        let mut other = launch.clone();
        other.nodes[0].redis.shift_remove("maxmemory");
        assert_eq!(hash(&launch), hash(&other));
        other.image = "redis:7.4".into();
        assert_ne!(hash(&launch), hash(&other));
    }

    /// These are hashes of containers that exist. If one changes, `up` refuses those containers.
    #[test]
    fn hashes_stay_what_they_were() {
        let launch = Launch::new(&Spec::default(), RuntimeKind::Docker, 6379);
        let shape = Shape::of(&launch, &launch.nodes[0]);
        let hashes = shape.hashes();
        assert_eq!(hashes.current, "v2:c94fc90c61d26fd8");
        assert_eq!(hashes.earlier, ["93392a2bcc67df5c"]);
        assert_eq!(
            hashes.earlier[0],
            sixteen_digits(&format!("{shape:?}")),
            "until a field is added"
        );
    }

    #[test]
    fn ten_thousand_clients_fit() {
        let launch = Launch::new(&Spec::default(), RuntimeKind::Docker, 6379);
        assert!(Shape::of(&launch, &launch.nodes[0]).nofile > 10_032);
    }
}
