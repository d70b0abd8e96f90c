//! Cuts a node off from all others while it runs on, and runs a client on its side.

use super::{Docker, container::endpoint, fault::bounded, find::Container, network::Network};
use crate::Beside;
use bollard::{
    exec::StartExecResults,
    models::{ExecConfig, NetworkConnectRequest, NetworkDisconnectRequest},
};
use futures_util::StreamExt;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    spec::{ClusterName, container, launch::Launch},
};
use tokio::{io::AsyncWriteExt, sync::mpsc};

impl Docker {
    /// See [`crate::Partition::disconnect`].
    pub(super) async fn cut_off(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.own(cluster, found.labels())?;
        let network = self.network_of(cluster).await?;
        if !found.is_in(&container::network_name(cluster)) {
            return Ok(false);
        }
        let request = NetworkDisconnectRequest {
            container: found.id.clone(),
            force: Some(true),
        };
        self.call(
            format!("cutting {node} off"),
            self.api.disconnect_network(&network.id, request),
        )
        .await?;
        Ok(true)
    }

    /// See [`crate::Partition::reconnect`].
    pub(super) async fn connect_again(&self, launch: &Launch, node: &NodeName) -> Result<bool> {
        let cluster = &launch.name;
        let Some(found) = self.node(cluster, node).await? else {
            return Ok(false);
        };
        self.own(cluster, found.labels())?;
        if found.is_in(&container::network_name(cluster)) {
            return Ok(false);
        }
        // Made again, if somebody removed it.
        let (network, _) = self.ensure_network(launch).await?;
        let wanted = launch
            .node(node)
            .ok_or_else(|| Error::usage(format!("the spec has no node {node}")))?;
        let request = NetworkConnectRequest {
            container: found.id.clone(),
            endpoint_config: Some(endpoint(wanted, &network)),
        };
        self.call(
            format!("connecting {node} again"),
            self.api.connect_network(&network.id, request),
        )
        .await?;
        Ok(true)
    }

    async fn network_of(&self, cluster: &ClusterName) -> Result<Network> {
        let networks = self.networks(cluster).await?;
        networks.iter().find_map(Network::of).ok_or_else(|| {
            Error::failed(format!("cluster '{cluster}' has no network"))
                .hint(hint![Verb::Up.of(cluster), " makes it"])
        })
    }

    /// See [`crate::Partition::beside`].
    pub(super) async fn run_beside(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        argv: &[String],
        secrets: &[(String, String)],
    ) -> Result<Beside> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.own(cluster, found.labels())?;
        let (mut input, mut output) = self.attach(&found, argv, secrets).await?;
        let (say, mut said) = mpsc::unbounded_channel::<String>();
        let (tell, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut rest = Vec::new();
            loop {
                tokio::select! {
                    line = said.recv() => {
                        let Some(line) = line else { break };
                        let written = input.write_all(line.as_bytes()).await;
                        if written.is_err() || input.flush().await.is_err() {
                            break;
                        }
                    }
                    chunk = output.next() => {
                        let Some(Ok(chunk)) = chunk else { break };
                        rest.extend_from_slice(&chunk.into_bytes());
                        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                            let line: Vec<u8> = rest.drain(..=end).collect();
                            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                            if tell.send(line).is_err() {
                                return;
                            }
                        }
                    }
                }
            }
            // Closing its input ends the program.
            let _ = input.shutdown().await;
        });
        Ok(Beside { say, lines })
    }

    async fn attach(
        &self,
        found: &Container,
        argv: &[String],
        secrets: &[(String, String)],
    ) -> Result<(Input, Output)> {
        let what = format!(
            "running {} beside {}",
            argv.first().map_or("", String::as_str),
            found.node
        );
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(
                secrets
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            ),
            cmd: Some(argv.to_vec()),
            ..ExecConfig::default()
        };
        let exec = self
            .call(&what, self.api.create_exec(&found.id, config))
            .await?;
        let started = bounded(self.api.start_exec(&exec.id, None)).await;
        match started.map_err(|fault| self.fault(&what, &fault))? {
            StartExecResults::Attached { output, input } => Ok((input, output)),
            StartExecResults::Detached => Err(Error::failed(format!("{what}: it is out of reach"))),
        }
    }
}

type Input = std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>;
type Output = std::pin::Pin<
    Box<
        dyn futures_util::Stream<
                Item = Result<bollard::container::LogOutput, bollard::errors::Error>,
            > + Send,
    >,
>;
