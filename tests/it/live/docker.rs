//! What only Docker has: addresses, names and ports that are taken, owners, images.

use super::bench::{Bench, docker_or_skip};
use crate::rig::IMAGE;
use bollard::{
    models::{ContainerCreateBody, HostConfig, NetworkCreateRequest, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptions, RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions,
    },
};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Kind},
    spec::{RuntimeKind, container},
};
use rcluster_runtime::docker::StandIn;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

const GRACE: Duration = Duration::from_secs(5);

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().unwrap()
}

/// A container that is not rcluster's.
async fn foreign(name: &str, labels: &[(&str, &str)]) -> String {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        labels: Some(labels.collect::<HashMap<_, _>>()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some(name.to_owned()),
        ..CreateContainerOptions::default()
    };
    engine()
        .create_container(Some(options), body)
        .await
        .unwrap()
        .id
}

async fn remove(id: &str) {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    engine().remove_container(id, Some(options)).await.unwrap();
}

async fn ensure(bench: &Bench, number: usize) -> Result<bool, Error> {
    let node = bench.node(number);
    let conf = bench.conf(node);
    bench.runtime.ensure(&bench.launch, node, &conf).await
}

#[tokio::test]
async fn addresses_outlive_restarts_in_any_order() {
    let Some(bench) = Bench::docker("dk-ip", 21200, 4).await else {
        return;
    };
    bench.prepare().await;
    for number in [3, 1, 4, 2] {
        bench.ensure(number).await;
    }
    let addresses = async || {
        let nodes = bench.runtime.list(bench.name()).await.unwrap();
        nodes
            .iter()
            .map(|placed| placed.address.unwrap().ip)
            .collect::<Vec<_>>()
    };
    let first = addresses().await;
    let mut sorted = first.clone();
    sorted.sort();
    assert_eq!(first, sorted, "addresses follow the nodes' numbers");
    for number in [2, 4, 1, 3] {
        let node = bench.node_name(number);
        bench.runtime.stop(bench.name(), node, GRACE).await.unwrap();
    }
    for number in [4, 2, 3, 1] {
        let node = bench.node_name(number);
        bench.runtime.start(bench.name(), node).await.unwrap();
    }
    assert_eq!(addresses().await, first);
    let node = bench.node_name(2);
    bench
        .runtime
        .remove(bench.name(), node, false)
        .await
        .unwrap();
    bench.ensure(2).await;
    assert_eq!(addresses().await, first);
}

#[tokio::test]
async fn a_taken_name_is_refused() {
    let Some(bench) = Bench::docker("dk-name", 21210, 3).await else {
        return;
    };
    bench.prepare().await;
    let id = foreign("dk-name-node-1", &[]).await;
    let result = ensure(&bench, 1).await;
    remove(&id).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.to_string().contains("dk-name-node-1"), "{error}");
}

#[tokio::test]
async fn a_taken_port_names_its_holder() {
    let Some(bench) = Bench::docker("dk-port", 21220, 3).await else {
        return;
    };
    bench.prepare().await;
    bench.ensure(1).await;
    let other = bench.beside("dk-port-two", 21220, 3).await;
    other.prepare().await;
    let error = ensure(&other, 1).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(
        error
            .to_string()
            .contains("21220 is in use by container dk-port-node-1"),
        "{error}"
    );
    // It left no container behind, so that another port can be tried.
    assert!(other.runtime.list(other.name()).await.unwrap().is_empty());
    // A process of the host holds the port.
    let _held = std::net::TcpListener::bind("127.0.0.1:21221").unwrap();
    let error = ensure(&bench, 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.to_string().contains("21221"), "{error}");
}

#[tokio::test]
async fn another_users_cluster_is_refused() {
    let Some(bench) = Bench::docker("dk-owner", 21230, 3).await else {
        return;
    };
    let labels = [
        ("rcluster.cluster", "dk-owner"),
        ("rcluster.node", "node-1"),
        ("rcluster.owner", "somebody-else"),
    ];
    let id = foreign("dk-owner-node-1", &labels).await;
    let (runtime, cluster, node) = (&bench.runtime, bench.name(), bench.node_name(1));
    let kinds = [
        runtime.prepare(&bench.launch, &|_| ()).await.err(),
        ensure(&bench, 1).await.err(),
        runtime.start(cluster, node).await.err(),
        runtime.stop(cluster, node, GRACE).await.err(),
        runtime.remove(cluster, node, true).await.err(),
        runtime.retire(cluster, true).await.err(),
    ]
    .map(|error| error.map(|error| error.kind()));
    let clusters = runtime.clusters().await.unwrap();
    remove(&id).await;
    assert_eq!(kinds, [Some(Kind::Refused); 6]);
    let found = clusters
        .iter()
        .find(|found| found.name == *cluster)
        .unwrap();
    assert_eq!(found.foreign_owner.as_deref(), Some("somebody-else"));
}

#[tokio::test]
async fn a_volume_that_is_not_the_clusters_is_left_alone() {
    let Some(bench) = Bench::docker("dk-volume", 21240, 3).await else {
        return;
    };
    bench.prepare().await;
    let name = container::volume_name(bench.name(), bench.node_name(1));
    let volume = VolumeCreateRequest {
        name: Some(name.clone()),
        ..VolumeCreateRequest::default()
    };
    engine().create_volume(volume).await.unwrap();
    let result = ensure(&bench, 1).await;
    let removed = bench
        .runtime
        .remove(bench.name(), bench.node_name(1), true)
        .await;
    engine()
        .remove_volume(&name, None::<RemoveVolumeOptions>)
        .await
        .expect("nobody removed it");
    assert_eq!(result.unwrap_err().kind(), Kind::Refused);
    assert!(!removed.unwrap());
}

#[tokio::test]
async fn an_image_that_nobody_has_is_missing_soon() {
    let Some(mut bench) = Bench::docker("dk-image", 21250, 3).await else {
        return;
    };
    bench.launch.image = "localhost:1/no-such-image:1".to_owned();
    let start = Instant::now();
    let error = bench
        .runtime
        .prepare(&bench.launch, &|_| ())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error}");
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("rcluster image build"))
    );
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn the_stand_in_is_usable_and_replaces_only_its_own_kind() {
    let Some(docker) = docker_or_skip("the stand-in").await else {
        return;
    };
    let wanted = StandIn {
        tag: "rcluster-test/standin:1".to_owned(),
        ..StandIn::default()
    };
    let built = match docker.build_standin(&wanted, &|_| ()).await {
        Ok(built) => built,
        Err(error) if error.kind() == Kind::Missing => {
            super::skip("the stand-in", &error.to_string());
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let check = docker.image_check(&wanted.tag).await.unwrap();
    check.verdict().unwrap();
    assert!(check.standin);
    assert_eq!(
        check.redis_version.as_deref(),
        Some(built.redis_version.as_str())
    );
    docker
        .build_standin(&wanted, &|_| ())
        .await
        .expect("its own kind is replaced");
    engine()
        .remove_image(&wanted.tag, None::<RemoveImageOptions>, None)
        .await
        .unwrap();
    let absent = docker.image_check(&wanted.tag).await.unwrap();
    assert!(!absent.present && absent.verdict().is_err());
}

#[tokio::test]
async fn a_network_that_was_left_half_made_is_finished() {
    let Some(bench) = Bench::docker("dk-draft", 21260, 3).await else {
        return;
    };
    let labels = [("rcluster.cluster", "dk-draft"), ("rcluster.draft", "1")];
    let draft = NetworkCreateRequest {
        name: container::network_name(bench.name()),
        labels: Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        ..NetworkCreateRequest::default()
    };
    engine().create_network(draft).await.unwrap();
    assert!(bench.prepare().await);
    assert!(!bench.prepare().await);
    bench.ensure(2).await;
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    let ip = nodes[0].address.unwrap().ip.to_string();
    assert!(ip.ends_with(".3"), "{ip} follows from the node's number");
}

#[tokio::test]
async fn subnets_are_raced_for_and_everyone_gets_one() {
    let Some(bench) = Bench::docker("dk-race", 21270, 3).await else {
        return;
    };
    let mut others = Vec::new();
    for number in 1..=5 {
        // An engine connection of its own: as other processes would have.
        let docker = Arc::new(docker_or_skip("dk-race").await.unwrap());
        let name = format!("dk-race-{number}");
        others.push(Bench::on(docker, RuntimeKind::Docker, &name, 21270, 3, None).await);
    }
    let made = join_all(others.iter().chain([&bench]).map(Bench::prepare)).await;
    assert_eq!(made, [true; 6]);
}
