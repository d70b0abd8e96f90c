//! docker-compose.yml: the containers that the Docker runtime makes, for those who use compose.

use super::template;
use crate::{
    error::Result,
    spec::{
        container::{self, Publish, Shape, label},
        launch::{Launch, NodeLaunch},
    },
};
use serde::Serialize;
use std::net::IpAddr;

/// The template's input; the template's `yaml` filter quotes.
#[derive(Serialize)]
struct Context<'a> {
    cluster: &'a str,
    health_interval: u64,
    network_key: &'a str,
    network: String,
    labels: Vec<Label>,
    nodes: Vec<Node<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    container_name: String,
    image: String,
    command: Vec<String>,
    health: Vec<String>,
    nofile: u64,
    publish: String,
    data_mount: String,
    conf_mount: String,
    volume_key: String,
    volume: String,
    volume_labels: Vec<Label>,
    labels: Vec<Label>,
}

#[derive(Serialize)]
struct Label {
    key: &'static str,
    value: String,
}

/// The compose file of a cluster, for docker-compose 1.29 and Compose v2.
pub fn compose(launch: &Launch) -> Result<String> {
    let context = Context {
        cluster: launch.name.as_str(),
        health_interval: container::HEALTH_INTERVAL_SECONDS,
        network_key: container::NETWORK_KEY,
        network: container::network_name(&launch.name),
        labels: labels(launch, None),
        nodes: launch
            .nodes
            .iter()
            .map(|node| service(launch, node))
            .collect(),
    };
    template::render(
        super::COMPOSE_FILE,
        include_str!("../../../../templates/compose.yaml.j2"),
        &context,
    )
}

fn service<'a>(launch: &Launch, node: &'a NodeLaunch) -> Node<'a> {
    let shape = Shape::of(launch, node);
    let hash = shape.hash();
    // Destructured, so that the compiler points here when the shape gets a new field.
    let Shape {
        image,
        command,
        health,
        publish,
        nofile,
        volume,
        network: _,
    } = shape;
    let volume_key = container::volume_key(&node.name);
    let volume_labels = labels(launch, Some(node));
    let mut labels = labels(launch, Some(node));
    labels.push(Label {
        key: label::SPEC_HASH,
        value: hash,
    });
    Node {
        name: node.name.as_str(),
        container_name: container::container_name(&launch.name, &node.name),
        image,
        command,
        health,
        nofile,
        publish: published(&publish),
        data_mount: format!("{volume_key}:{}", container::DATA),
        conf_mount: format!("./{}:{}:ro", launch.conf_name(node), container::CONF),
        volume_key,
        volume,
        volume_labels,
        labels,
    }
}

fn labels(launch: &Launch, node: Option<&NodeLaunch>) -> Vec<Label> {
    container::labels(launch, node)
        .into_iter()
        .map(|(key, value)| Label { key, value })
        .collect()
}

/// `ADDRESS:HOST:CONTAINER`; without a host port (`ADDRESS::CONTAINER`) Docker chooses one.
fn published(publish: &Publish) -> String {
    let listen = match publish.listen {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let host = publish.host_port.map(|port| port.to_string());
    let host = host.unwrap_or_default();
    format!("{listen}:{host}:{}", publish.container_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Access, RuntimeKind, Spec};
    use serde_json::Value;

    fn parsed(spec: &Spec) -> (Launch, Value) {
        let launch = Launch::new(spec, RuntimeKind::Docker, 6379);
        let text = compose(&launch).unwrap();
        (launch, serde_yaml::from_str(&text).unwrap())
    }

    /// What compose makes of a string: `$$` becomes `$`.
    fn interpolated(value: &Value) -> Vec<String> {
        let words = value.as_array().unwrap().iter();
        words
            .map(|word| {
                let word = word.as_str().unwrap();
                assert!(!word.replace("$$", "").contains('$'), "{word}");
                word.replace("$$", "$")
            })
            .collect()
    }

    #[test]
    fn a_service_is_exactly_the_shape_of_the_container() {
        let (launch, file) = parsed(&Spec::default());
        for node in &launch.nodes {
            let shape = Shape::of(&launch, node);
            let service = &file["services"][node.name.as_str()];
            assert_eq!(interpolated(&service["command"]), shape.command);
            assert_eq!(interpolated(&service["healthcheck"]["test"]), shape.health);
            assert_eq!(service["image"], shape.image.as_str());
            assert_eq!(service["ulimits"]["nofile"]["hard"], shape.nofile);
            assert_eq!(service["ports"][0], format!("127.0.0.1:{0}:{0}", node.port));
            assert_eq!(service["labels"][label::SPEC_HASH], shape.hash());
            let volume = &file["volumes"][container::volume_key(&node.name)];
            assert_eq!(volume["name"], shape.volume.as_str());
            let network = &file["networks"][container::NETWORK_KEY];
            assert_eq!(network["name"], shape.network.as_str());
            for (key, value) in container::labels(&launch, Some(node)) {
                assert_eq!(service["labels"][key], value.as_str());
                assert_eq!(volume["labels"][key], value.as_str());
            }
        }
        assert_eq!(file.as_object().unwrap().len(), 3);
    }

    #[test]
    fn docker_chooses_the_port_where_nodes_share_one() {
        let spec = Spec {
            port_step: 0,
            access: Access::Network,
            ..Spec::default()
        };
        let (_, file) = parsed(&spec);
        assert_eq!(file["services"]["node-6"]["ports"][0], "127.0.0.1::6379");
        let mounts = &file["services"]["node-6"]["volumes"];
        assert_eq!(mounts[1], format!("./node-6.conf:{}:ro", container::CONF));
    }

    #[test]
    fn an_ipv6_address_is_published_in_brackets() {
        let publish = Publish {
            listen: "::1".parse().unwrap(),
            host_port: Some(6379),
            container_port: 6379,
        };
        assert_eq!(published(&publish), "[::1]:6379:6379");
    }
}
