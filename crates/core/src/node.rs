//! What names a node: its id, its name in the spec, its two addresses, its epoch.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};
use strum::IntoStaticStr;

/// How far the bus port is from the client port unless said otherwise (`CLUSTER_PORT_INCR` in cluster.h).
pub const BUS_OFFSET: u16 = 10_000;

/// Digits of a node's id (`CLUSTER_NAMELEN`).
const DIGITS: usize = 40;

/// A node's id: 40 hex digits that Redis chose. They are stored in the value itself, without an
/// allocation, because the views of a hundred nodes have twenty thousand ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; DIGITS]);

impl NodeId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Hex digits, as parsed.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its first eight digits: enough for a person to tell nodes apart.
    pub fn short(&self) -> &str {
        &self.as_str()[..8]
    }
}

impl FromStr for NodeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes().try_into() {
            Ok(digits) if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(NodeId(digits)),
            _ => Err(format!("'{text}' is not a node id ({DIGITS} hex digits)")),
        }
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeId").field(&self.as_str()).finish()
    }
}

/// A node's name in the spec (`node-1`), or `host:port` for a node that rcluster did not start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeName(String);

impl NodeName {
    /// Makes a name of a text that is an address, or that the spec's checks have accepted.
    pub fn new(name: impl Into<String>) -> Self {
        NodeName(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A configuration epoch of a node, or the cluster's current epoch (cluster specification,
/// "Configuration epoch").
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address that a client dials: a host name or IP, and the client port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host name or IP literal, without brackets.
    pub host: String,
    /// Client port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint of these parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Endpoint {
            host: host.into(),
            port,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::new(address.ip().to_string(), address.port())
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// `host:port`, `[ipv6]:port`, or a bare `host` (port 6379, as redis-cli does).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is not HOST:PORT");
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, rest.strip_prefix(':'))
        } else {
            match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => {
                    return Err(format!(
                        "'{text}' is ambiguous: write an IPv6 address as [ADDRESS]:PORT"
                    ));
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port {
            None => 6379,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(wrong()),
            },
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            return Err(wrong());
        }
        Ok(Endpoint::new(host, port))
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The address that a node's peers use, for MEET, replication and MIGRATE.
///
/// MEET takes IP literals only (`clusterStartHandshake` in cluster.c), so this is never a host
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The IP at which its peers reach it.
    pub ip: IpAddr,
    /// Client port; also used for replication.
    pub port: u16,
    /// Cluster bus port.
    pub bus_port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// Master or replica.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// It owns slots, or could.
    Master,
    /// It follows a master.
    Replica,
}

impl Role {
    /// `master` or `replica`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_parse_as_people_write_them() {
        let table = [
            ("127.0.0.1:7000", Some(("127.0.0.1", 7000))),
            ("redis-1", Some(("redis-1", 6379))),
            ("[::1]:7000", Some(("::1", 7000))),
            ("[::1]", Some(("::1", 6379))),
            ("::1:7000", None),
            (":7000", None),
            ("host:0", None),
            ("host:70000", None),
            ("user@host:1", None),
            ("", None),
        ];
        for (text, wanted) in table {
            let wanted = wanted.map(|(host, port)| Endpoint::new(host, port));
            assert_eq!(text.parse::<Endpoint>().ok(), wanted, "{text}");
        }
    }

    #[test]
    fn ids_are_forty_hex_digits() {
        assert!(
            "07c37dfeb235213a872192d90877d0cd55635b91"
                .parse::<NodeId>()
                .is_ok()
        );
        assert!("07c37dfe".parse::<NodeId>().is_err());
    }
}
