//! `CLUSTER NODES` as one node sees it (format: `clusterGenNodeDescription` in cluster.c).
//!
//! A line is `<id> <ip:port@bus[,hostname]> <flags> <master id|-> <ping-sent> <pong-recv>
//! <config-epoch> <link-state> <slot>…`. Views of different nodes are never merged here.

use super::refusal::quoted;
use crate::{
    node::{Address, Endpoint, Epoch, NodeId, Role},
    slot::{SlotRange, SlotSet},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// How many nodes one view may name. Redis recommends up to about a thousand.
pub const MOST_NODES: usize = 2_000;

/// How many bytes of different lines [`Lines`] holds.
const MOST_BYTES: usize = 8 << 20;

/// The whole reply, as the node `myself` sees the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The node that answered.
    pub myself: NodeId,
    /// Its bus port, which it knows even before it knows its own address.
    pub bus_port: Option<u16>,
    /// Every node that it knows, itself included, handshakes left out, sorted by id. Views that
    /// were parsed with the same [`Lines`] share equal lines.
    pub nodes: Vec<Arc<ViewLine>>,
    /// How many handshakes are under way.
    pub handshakes: usize,
}

/// One line: a node, as the node that answered sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewLine {
    /// Its id.
    pub id: NodeId,
    /// The address for its peers; `None` while it does not know its own, or with `noaddr`.
    pub address: Option<Address>,
    /// `cluster-announce-hostname`, if it has one.
    pub hostname: Option<String>,
    /// Master or replica.
    pub role: Role,
    /// The master that it follows.
    pub master: Option<NodeId>,
    /// Whether the view thinks that it fails, and how surely.
    pub failure: Failure,
    /// Its configuration epoch.
    pub epoch: Epoch,
    /// Whether the bus link to it is up; always true for the node itself.
    pub connected: bool,
    /// The slots that it serves.
    pub slots: SlotSet,
    /// Slots that are being moved out or in; only `myself` has any.
    pub open: Vec<OpenSlot>,
}

/// What a view thinks of a node's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// It does not fail.
    None,
    /// `fail?`: this view cannot reach it.
    Pfail,
    /// `fail`: a majority of masters agreed.
    Fail,
}

/// A slot that is being moved: `[slot->-node]` or `[slot-<-node]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlot {
    /// Which slot.
    pub slot: u16,
    /// `true`: it moves to `other`; `false`: it comes from `other`.
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
        // They are sorted by id, so this can search: comparing the views of a thousand nodes calls
        // it a million times.
        let found = self.nodes.binary_search_by(|line| line.id.cmp(id));
        found.ok().map(|i| &*self.nodes[i])
    }

    /// Whether this node knows no other node.
    pub fn is_alone(&self) -> bool {
        self.nodes.len() == 1 && self.handshakes == 0
    }
}

impl ViewLine {
    /// The endpoint that a client would be told: the host name if there is one, else the address.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let address = self.address?;
        Some(match &self.hostname {
            Some(hostname) => Endpoint::new(hostname.clone(), address.port),
            None => Endpoint::new(address.ip.to_string(), address.port),
        })
    }
}

/// Lines that were parsed before, so that a line that a thousand views share is parsed and stored
/// once.
#[derive(Debug, Default)]
pub struct Lines {
    /// By the text of the line, without the parts that change all the time and without `myself`.
    known: HashMap<Box<str>, Arc<ViewLine>>,
    /// The bytes of all those texts.
    bytes: usize,
}

/// Parses one reply of `CLUSTER NODES`.
pub fn parse(text: &str) -> Result<View, String> {
    Lines::default().parse(text)
}

impl Lines {
    /// Parses a reply of `CLUSTER NODES`; lines that are known are shared.
    pub fn parse(&mut self, text: &str) -> Result<View, String> {
        let (mut myself, mut bus_port) = (None, None);
        let mut nodes: Vec<Arc<ViewLine>> = Vec::new();
        let mut handshakes = 0;
        let mut key = String::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let fields = Fields::of(line)?;
            if fields.has("handshake") {
                handshakes += 1;
                continue;
            }
            if nodes.len() == MOST_NODES {
                return Err(format!("it names more than {MOST_NODES} nodes"));
            }
            fields.key(&mut key);
            let node = match self.known.get(key.as_str()) {
                Some(node) => Arc::clone(node),
                None => self.keep(&key, fields.parse()?)?,
            };
            if fields.has("myself") {
                myself = Some(node.id.clone());
                bus_port = bus_of(fields.address);
            }
            nodes.push(node);
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

    fn keep(&mut self, key: &str, line: ViewLine) -> Result<Arc<ViewLine>, String> {
        if self.bytes + key.len() > MOST_BYTES {
            // Lines that no view holds any more are dropped.
            self.known.retain(|_, line| Arc::strong_count(line) > 1);
            self.bytes = self.known.keys().map(|key| key.len()).sum();
        }
        if self.bytes + key.len() > MOST_BYTES {
            return Err(format!(
                "the nodes say more about each other than the {} MiB that are read",
                MOST_BYTES >> 20
            ));
        }
        let line = Arc::new(line);
        self.bytes += key.len();
        self.known.insert(key.into(), Arc::clone(&line));
        Ok(line)
    }
}

/// The words of a line.
struct Fields<'a> {
    id: &'a str,
    address: &'a str,
    flags: &'a str,
    master: &'a str,
    epoch: &'a str,
    link: &'a str,
    slots: &'a str,
}

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Result<Self, String> {
        let mut rest = line.trim_ascii();
        let mut next = || {
            let (field, after) = rest
                .split_once(|c: char| c.is_ascii_whitespace())
                .unwrap_or((rest, ""));
            rest = after.trim_ascii_start();
            (!field.is_empty()).then_some(field)
        };
        let mut all = || {
            let (id, address, flags, master) = (next()?, next()?, next()?, next()?);
            let (_ping, _pong, epoch, link) = (next()?, next()?, next()?, next()?);
            Some((id, address, flags, master, epoch, link))
        };
        let Some((id, address, flags, master, epoch, link)) = all() else {
            return Err(format!("CLUSTER NODES line with too few fields: '{line}'"));
        };
        Ok(Fields {
            id,
            address,
            flags,
            master,
            epoch,
            link,
            slots: rest,
        })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split(',').any(|has| has == flag)
    }

    /// Writes all that [`Fields::parse`] reads as one text, the key of [`Lines::known`].
    fn key(&self, key: &mut String) {
        key.clear();
        let flags = self.flags.strip_prefix("myself,").unwrap_or(self.flags);
        let (address, link) = (self.address, self.link);
        for field in [self.id, address, flags, self.master, self.epoch, link] {
            key.push_str(field);
            key.push(' ');
        }
        key.push_str(self.slots);
    }

    fn parse(&self) -> Result<ViewLine, String> {
        let (address, hostname) = parse_address(self.address)?;
        let mut owned = Vec::new();
        let mut open = Vec::new();
        for token in self.slots.split_ascii_whitespace() {
            if token.starts_with('[') {
                open.push(parse_open(token)?);
            } else {
                owned.push(parse_range(token)?);
            }
        }
        let wrong_epoch = |_| format!("'{}' is not an epoch", self.epoch);
        Ok(ViewLine {
            id: self.id.parse()?,
            address,
            hostname,
            role: if self.has("slave") || self.has("replica") {
                Role::Replica
            } else {
                Role::Master
            },
            master: match self.master {
                "-" => None,
                master => Some(master.parse()?),
            },
            failure: if self.has("fail") {
                Failure::Fail
            } else if self.has("fail?") {
                Failure::Pfail
            } else {
                Failure::None
            },
            epoch: Epoch(self.epoch.parse().map_err(wrong_epoch)?),
            connected: self.link == "connected",
            slots: owned.into_iter().collect(),
            open,
        })
    }
}

/// `ip:port@bus[,hostname[,aux=…]]`; the ip is empty while a node does not know its own.
fn parse_address(text: &str) -> Result<(Option<Address>, Option<String>), String> {
    let wrong = || format!("'{text}' is not an address of CLUSTER NODES");
    let mut parts = text.split(',');
    let address = parts.next().ok_or_else(wrong)?;
    let hostname = parts
        .next()
        .filter(|name| !name.is_empty() && !name.contains('='))
        .map(quoted);
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

/// The bus port of `ip:port@bus…`.
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

/// Whether a nodes.conf with this text makes its node a member of a cluster: it knows other nodes
/// or owns slots. The file of a node that was started but never formed has neither.
pub fn is_member(conf: &str) -> bool {
    let lines = conf
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("vars "));
    let owns_slots = |line: &str| line.split_whitespace().count() > WORDS;
    let mut lines = lines.peekable();
    match lines.next() {
        Some(first) => owns_slots(first) || lines.peek().is_some(),
        None => false,
    }
}

/// How many words a line has before its slots.
const WORDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_node_that_knows_nobody_makes_no_member() {
        let me = format!(
            "{:040x} :0@0,,tls-port=0 myself,master - 0 0 0 connected",
            1
        );
        let vars = "vars currentEpoch 0 lastVoteEpoch 0\n";
        assert!(!is_member(""));
        assert!(!is_member(&format!("{me}\n{vars}")));
        assert!(is_member(&format!("{me} 0-5460\n{vars}")));
        let other = me.replace("myself,", "").replace('1', "2");
        assert!(is_member(&format!("{me}\n{other}\n{vars}")));
    }
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
    fn views_that_say_the_same_share_it() {
        let mut lines = Lines::default();
        let line = |i: usize, flags: &str, pong: usize| {
            format!(
                "{i:040x} 127.0.0.1:{}@17000 {flags} - 0 {pong} 1 connected {i}\n",
                7000 + i
            )
        };
        let a = line(1, "myself,master", 5) + &line(2, "master", 6);
        let b = line(1, "master", 7) + &line(2, "myself,master", 8);
        let c = line(1, "master,fail", 7) + &line(2, "myself,master", 8);
        let [a, b, c] = [a, b, c].map(|text| lines.parse(&text).expect("a view"));
        assert!(a.nodes.iter().zip(&b.nodes).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert_eq!(
            (a.myself.short(), b.myself.short()),
            ("00000000", "00000000")
        );
        assert_ne!(a.myself, b.myself);
        assert_eq!(c.nodes[0].failure, Failure::Fail);
    }

    #[test]
    fn whoever_lies_about_how_many_there_are_is_not_believed() {
        let line = |i: usize| format!("{i:040x} 127.0.0.1:7000@17000 master - 0 0 1 connected\n");
        let text: String = (0..=MOST_NODES).map(line).collect();
        let why = parse(&text).expect_err("too many");
        assert_eq!(why, "it names more than 2000 nodes");
        let mut lines = Lines::default();
        let long = "9 ".repeat(2 << 20);
        let of = |i: usize| {
            let me = line(i).replace("master", "myself,master");
            format!("{} {long}", me.trim_end())
        };
        // Lines that are no longer held make room for new ones; lines that are held do not.
        lines.parse(&of(1)).expect("it fits");
        let held = lines.parse(&of(2)).expect("the first makes room");
        assert!(lines.parse(&of(3)).is_err());
        drop(held);
        assert!(lines.parse(&of(3)).is_ok());
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
