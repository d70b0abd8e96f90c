//! `CLUSTER NODES` as one node sees it (format: `clusterGenNodeDescription` in cluster.c).
//!
//! A line is `<id> <ip:port@bus[,hostname]> <flags> <master id|-> <ping-sent> <pong-recv>
//! <config-epoch> <link-state> <slot>…`. Views of different nodes are never merged here.

use crate::{
    node::{Address, Endpoint, Epoch, NodeId, Role},
    slot::{SlotRange, SlotSet},
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The whole table, as `myself` sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// The node that answered.
    pub myself: NodeId,
    /// Its bus port, which it says also while it does not know its own address.
    pub bus_port: Option<u16>,
    /// Every node it knows, itself included, handshakes left out, sorted by id.
    pub nodes: Vec<ViewLine>,
    /// How many handshakes are under way.
    pub handshakes: usize,
}

/// One node, as another (or itself) sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewLine {
    /// Its id.
    pub id: NodeId,
    /// Where its peers reach it; absent while it does not know itself, or with `noaddr`.
    pub address: Option<Address>,
    /// `cluster-announce-hostname`, if it has one.
    pub hostname: Option<String>,
    /// Master or replica.
    pub role: Role,
    /// Who it replicates.
    pub master: Option<NodeId>,
    /// Whether it is thought to be failing, and how surely.
    pub failure: Failure,
    /// Its configuration epoch.
    pub epoch: Epoch,
    /// Whether the bus link to it is up (always so for itself).
    pub connected: bool,
    /// Slots it serves.
    pub slots: SlotSet,
    /// Slots that are on their way out or in (only ever listed for `myself`).
    pub open: Vec<OpenSlot>,
}

/// What a view thinks of a node's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// Fine.
    None,
    /// `fail?`: this view cannot reach it.
    Pfail,
    /// `fail`: a majority of masters agreed.
    Fail,
}

/// A slot in migration: `[slot->-node]` or `[slot-<-node]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenSlot {
    /// Which slot.
    pub slot: u16,
    /// `true`: going to `other`; `false`: coming from it.
    pub migrating: bool,
    /// The other node.
    pub other: NodeId,
}

impl View {
    /// The line of the node that answered.
    pub fn me(&self) -> Option<&ViewLine> {
        self.line(&self.myself)
    }

    /// The line of a node.
    pub fn line(&self, id: &NodeId) -> Option<&ViewLine> {
        // They are sorted by id: comparing the views of a thousand nodes asks this a million times.
        let found = self.nodes.binary_search_by(|line| line.id.cmp(id));
        found.ok().map(|i| &self.nodes[i])
    }

    /// Whether this node knows no other.
    pub fn is_alone(&self) -> bool {
        self.nodes.len() == 1 && self.handshakes == 0
    }
}

impl ViewLine {
    /// What a client would be told to dial if hostnames are preferred, else the address.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let address = self.address?;
        Some(match &self.hostname {
            Some(hostname) => Endpoint::new(hostname.clone(), address.port),
            None => Endpoint::new(address.ip.to_string(), address.port),
        })
    }
}

/// Parses the reply of `CLUSTER NODES`.
pub fn parse(text: &str) -> Result<View, String> {
    let (mut myself, mut bus_port) = (None, None);
    let mut nodes = Vec::new();
    let mut handshakes = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            id,
            address,
            flags,
            master,
            _ping,
            _pong,
            epoch,
            link,
            slots @ ..,
        ] = &fields[..]
        else {
            return Err(format!("CLUSTER NODES line with too few fields: '{line}'"));
        };
        let flags: Vec<&str> = flags.split(',').collect();
        if flags.contains(&"handshake") {
            handshakes += 1;
            continue;
        }
        let id: NodeId = id.parse()?;
        if flags.contains(&"myself") {
            myself = Some(id.clone());
            bus_port = bus_of(address);
        }
        let (address, hostname) = parse_address(address)?;
        let mut owned = Vec::new();
        let mut open = Vec::new();
        for token in slots {
            if token.starts_with('[') {
                open.push(parse_open(token)?);
            } else {
                owned.push(parse_range(token)?);
            }
        }
        nodes.push(ViewLine {
            id,
            address,
            hostname,
            role: if flags
                .iter()
                .any(|flag| *flag == "slave" || *flag == "replica")
            {
                Role::Replica
            } else {
                Role::Master
            },
            master: match *master {
                "-" => None,
                master => Some(master.parse()?),
            },
            failure: if flags.contains(&"fail") {
                Failure::Fail
            } else if flags.contains(&"fail?") {
                Failure::Pfail
            } else {
                Failure::None
            },
            epoch: Epoch(
                epoch
                    .parse()
                    .map_err(|_| format!("'{epoch}' is not an epoch"))?,
            ),
            connected: *link == "connected",
            slots: owned.into_iter().collect(),
            open,
        });
    }
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    nodes.dedup_by(|b, a| a.id == b.id);
    let myself = myself.ok_or("CLUSTER NODES without a 'myself' line")?;
    Ok(View {
        myself,
        bus_port,
        nodes,
        handshakes,
    })
}

/// `ip:port@bus[,hostname[,aux=…]]`; the ip is empty while a node does not know its own.
fn parse_address(text: &str) -> Result<(Option<Address>, Option<String>), String> {
    let wrong = || format!("'{text}' is not an address of CLUSTER NODES");
    let mut parts = text.split(',');
    let address = parts.next().ok_or_else(wrong)?;
    let hostname = parts
        .next()
        .filter(|name| !name.is_empty() && !name.contains('='))
        .map(str::to_owned);
    let (client, bus) = address.split_once('@').ok_or_else(wrong)?;
    let (ip, port) = client.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let bus_port: u16 = bus.parse().map_err(|_| wrong())?;
    if ip.is_empty() || port == 0 {
        return Ok((None, hostname));
    }
    let ip: IpAddr = ip.trim_matches(['[', ']']).parse().map_err(|_| wrong())?;
    let address = Address { ip, port, bus_port };
    Ok((Some(address), hostname))
}

/// The bus port in `ip:port@bus…`.
fn bus_of(text: &str) -> Option<u16> {
    let (_, bus) = text.split(',').next()?.split_once('@')?;
    bus.parse().ok().filter(|port| *port > 0)
}

fn parse_range(token: &str) -> Result<SlotRange, String> {
    let (from, to) = token.split_once('-').unwrap_or((token, token));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) => SlotRange::new(from, to),
        _ => None,
    }
    .ok_or_else(|| format!("'{token}' is not a slot range"))
}

fn parse_open(token: &str) -> Result<OpenSlot, String> {
    let wrong = || format!("'{token}' is not an open slot");
    let inner = token
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or_else(wrong)?;
    let (slot, migrating, other) = match (inner.split_once("->-"), inner.split_once("-<-")) {
        (Some((slot, other)), _) => (slot, true, other),
        (_, Some((slot, other))) => (slot, false, other),
        _ => return Err(wrong()),
    };
    Ok(OpenSlot {
        slot: slot.parse().map_err(|_| wrong())?,
        migrating,
        other: other.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:7000@17000,127.0.0.1 myself,master - 0 1465474472010 1 connected 0-5459 5461 [5460->-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 10.0.0.2:7002@17002 master,fail? - 0 1465474471001 3 disconnected 10923-16383
292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f :0@0 slave,fail,noaddr 67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 0 1465474470995 2 disconnected
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 10.0.0.9:7009@17009 handshake - 0 0 0 disconnected
";

    #[test]
    fn a_table_with_everything_in_it_parses() {
        let view = parse(SAMPLE).expect("it parses");
        assert_eq!(view.nodes.len(), 3);
        assert_eq!(view.handshakes, 1);
        let me = view.me().expect("myself");
        assert_eq!(me.slots.to_string(), "0-5459,5461");
        assert_eq!(me.open.len(), 1);
        assert!(me.open[0].migrating);
        assert_eq!(
            me.endpoint().map(|endpoint| endpoint.to_string()),
            Some("127.0.0.1:7000".into())
        );
        let gone = &view.nodes[1];
        assert_eq!(
            (gone.failure, gone.role, gone.address),
            (Failure::Fail, Role::Replica, None)
        );
        assert_eq!(view.nodes[2].failure, Failure::Pfail);
        assert!(!view.nodes[2].connected);
    }

    #[test]
    fn ipv6_addresses_keep_their_colons() {
        let (address, _) = parse_address("::1:7000@17000").expect("it parses");
        assert_eq!(
            address.map(|address| address.to_string()),
            Some("[::1]:7000".into())
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,400}") {
            let _ = parse(&text);
        }

        #[test]
        fn mangled_lines_do_not_panic(cut in 0usize..300, text in "[ ,:@\\[\\]<>a-f0-9-]{0,40}") {
            let cut = cut.min(SAMPLE.len());
            let _ = parse(&format!("{}{text}{}", &SAMPLE[..cut], &SAMPLE[cut..]));
        }
    }
}
