//! What happens to containers, volumes and networks by other hands.

use super::{Animal, Sickness, nothing};
use crate::rig::{run, until};

impl Animal {
    fn docker(&self, args: &[&str]) {
        let mut docker = self.0.program("docker");
        docker.args(args);
        run(docker).expect(0);
    }

    fn container(&self, node: u16) -> String {
        format!("{}-node-{node}", self.0.name)
    }

    fn network(&self) -> String {
        format!("{}_cluster", self.0.name)
    }

    fn disconnect(&self, node: u16) {
        let (network, container) = (self.network(), self.container(node));
        self.docker(&["network", "disconnect", &network, &container]);
    }

    /// Its container, and its volume with all that it had.
    fn lose_container(&self, node: u16) {
        self.docker(&["rm", "-f", &self.container(node)]);
        let volume = format!("{}_node-{node}-data", self.0.name);
        self.docker(&["volume", "rm", &volume]);
    }
}

/// A few, as every one takes a while.
pub(super) const COMMON: &[Sickness] = &[
    Sickness("a container without its network", |it| {
        it.disconnect(2);
        nothing()
    }),
    Sickness("the container and the volume of a master lost", |it| {
        it.lose_container(1);
        nothing()
    }),
];

pub(super) const RARE: &[Sickness] = &[
    Sickness("the container and the volume of a replica lost", |it| {
        it.lose_container(4);
        nothing()
    }),
    Sickness("a container paused", |it| {
        it.docker(&["pause", &it.container(2)]);
        nothing()
    }),
    Sickness("a container removed by hand", |it| {
        it.docker(&["rm", "-f", &it.container(2)]);
        nothing()
    }),
    Sickness("a container stopped by hand", |it| {
        it.docker(&["stop", "-t", "1", &it.container(5)]);
        nothing()
    }),
    Sickness("a master cut off, and replaced", |it| {
        it.disconnect(2);
        until("its replica took over", || {
            it.say(5, &["role"]).starts_with("master")
        });
        nothing()
    }),
    Sickness("every container cut off, and the network gone", |it| {
        (1..=super::NODES).for_each(|node| it.disconnect(node));
        it.docker(&["network", "rm", &it.network()]);
        nothing()
    }),
    Sickness("the containers and the volumes of a shard lost", |it| {
        it.lose_container(1);
        it.lose_container(4);
        nothing()
    }),
    Sickness("every container removed by hand", |it| {
        (1..=super::NODES).for_each(|node| it.docker(&["rm", "-f", &it.container(node)]));
        nothing()
    }),
];
