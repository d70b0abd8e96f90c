//! `INFO` and `CLUSTER INFO`: `key:value` lines with `# Section` headers (`genRedisInfoString` in server.c).

use super::refusal::quoted;
use crate::node::{Epoch, Role};
use serde::Serialize;
use std::{collections::HashMap, net::IpAddr};

/// The raw fields of either reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(HashMap<String, String>);

impl Fields {
    /// Parses a reply. Lines without a colon are skipped, as every client of INFO does.
    pub fn parse(text: &str) -> Self {
        Fields(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.trim_end().split_once(':'))
                .map(|(key, value)| (key.to_owned(), quoted(value)))
                .collect(),
        )
    }

    /// A field as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A field as a number. An absent field is 0: INFO leaves out what does not apply.
    pub fn number(&self, key: &str) -> u64 {
        self.text(key)
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    }
}

/// `CLUSTER INFO` of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterInfo {
    /// `cluster_state:ok`.
    pub ok: bool,
    /// Slots that have an owner in this view.
    pub slots_assigned: u16,
    /// How many of those are not failing.
    pub slots_ok: u16,
    /// How many nodes it knows, handshakes included.
    pub known_nodes: u64,
    /// Masters with at least one slot.
    pub size: u64,
    /// The highest epoch it has seen.
    pub current_epoch: Epoch,
    /// How many messages of other nodes it has received since its start. 0 means that it is alone,
    /// whatever its links say: one that is still being dialled counts as connected.
    pub messages_received: u64,
}

impl ClusterInfo {
    /// Reads the fields of the reply.
    pub fn from_fields(fields: &Fields) -> Self {
        let slots = |key| u16::try_from(fields.number(key)).unwrap_or(u16::MAX);
        ClusterInfo {
            ok: fields.text("cluster_state") == Some("ok"),
            slots_assigned: slots("cluster_slots_assigned"),
            slots_ok: slots("cluster_slots_ok"),
            known_nodes: fields.number("cluster_known_nodes"),
            size: fields.number("cluster_size"),
            current_epoch: Epoch(fields.number("cluster_current_epoch")),
            messages_received: fields.number("cluster_stats_messages_received"),
        }
    }
}

/// What `INFO` says of one node, as far as rcluster uses it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent fields of INFO; any combination is possible"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// The kind of server: `redis`, or its `server_name` (`valkey`).
    pub server: String,
    /// `valkey_version` if there is one, else `redis_version`: a Valkey sets that to the Redis that
    /// it is compatible with.
    pub version: String,
    /// Whether `redis_mode`, or a Valkey's `server_mode`, is `cluster`.
    pub cluster_mode: bool,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// `used_memory`.
    pub memory_used_bytes: u64,
    /// `maxmemory`; 0: no limit.
    pub memory_max_bytes: u64,
    /// `maxmemory_policy`.
    pub memory_policy: String,
    /// Whether `aof_last_write_status` is `err`.
    pub aof_write_failed: bool,
    /// Whether `rdb_last_bgsave_status` is `err`.
    pub rdb_save_failed: bool,
    /// `connected_clients`.
    pub clients: u64,
    /// `instantaneous_ops_per_sec`.
    pub ops_per_sec: u64,
    /// `run_id`, which is a new one after each start.
    pub run_id: String,
    /// `total_commands_processed`, since it started.
    pub commands: u64,
    /// `total_net_input_bytes`, since it started.
    pub net_in_bytes: u64,
    /// `total_net_output_bytes`, since it started.
    pub net_out_bytes: u64,
    /// `evicted_keys`, since it started.
    pub evicted: u64,
    /// `keyspace_hits`, since it started.
    pub hits: u64,
    /// `keyspace_misses`, since it started.
    pub misses: u64,
    /// Keys in database 0 (the only one in cluster mode).
    pub keys: u64,
    /// Those of them that expire.
    pub expiring: u64,
    /// Keys that it has let go of since it started, or did not load, by itself: their time was over,
    /// or there was no room for them.
    pub let_go: u64,
    /// Whether it is still reading its data from disk.
    pub loading: bool,
    /// Its replication section.
    pub replication: Replication,
}

/// The replication section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replication {
    /// Master or replica.
    pub role: Role,
    /// `master_replid`: the id of the stream of writes that its data comes from; a replica has its
    /// master's.
    pub stream: String,
    /// `master_replid2`: of which stream a master's data was before; empty if it is of no other. After a
    /// start: the one in the RDB file that it loaded.
    pub former_stream: String,
    /// How far it had that stream (`second_repl_offset`, less one).
    pub former_offset: u64,
    /// `master_repl_offset` on a master, `slave_repl_offset` on a replica.
    pub offset: u64,
    /// Of a replica: whether the link to its master is up.
    pub link_up: bool,
    /// Of a replica: seconds since it last heard from its master; `None` while the link is down.
    pub last_io_seconds: Option<u64>,
    /// Of a replica: whether a full synchronization is running.
    pub syncing: bool,
    /// Of a master that wants a number of replicas before it takes writes: how many are up to date
    /// (`min_slaves_good_slaves`).
    pub good: Option<u64>,
    /// The number that it wants, `min-replicas-to-write`, which only CONFIG GET tells.
    pub wanted_good: u64,
    /// Of a master: the replicas that are connected to it.
    pub attached: Vec<Attached>,
}

/// What a master says of one of its replicas (`slave0:ip=…,port=…,state=online,offset=…,lag=1`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// The replica's address, as the master sees it.
    pub ip: IpAddr,
    /// Its client port.
    pub port: u16,
    /// Seconds since it last acknowledged its offset, which it does every second.
    pub lag_seconds: u64,
}

impl Attached {
    /// Parses a row; `None` while the replica is still being synchronized.
    fn parse(row: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = row.split(',').filter_map(|field| field.split_once('='));
            fields.find_map(|(key, value)| (key == name).then_some(value))
        };
        (field("state") == Some("online")).then_some(())?;
        Some(Attached {
            ip: field("ip")?.parse().ok()?,
            port: field("port")?.parse().ok()?,
            lag_seconds: field("lag")?.parse().ok()?,
        })
    }
}

impl Default for Replication {
    fn default() -> Self {
        Replication {
            role: Role::Master,
            stream: String::new(),
            former_stream: String::new(),
            former_offset: 0,
            offset: 0,
            link_up: false,
            last_io_seconds: None,
            syncing: false,
            good: None,
            wanted_good: 0,
            attached: Vec::new(),
        }
    }
}

impl NodeInfo {
    /// Reads the fields of `INFO`.
    pub fn from_fields(fields: &Fields) -> Self {
        let either = |first, second| {
            let text = fields.text(first).or_else(|| fields.text(second));
            text.unwrap_or_default()
        };
        NodeInfo {
            server: fields.text("server_name").unwrap_or("redis").to_owned(),
            version: either("valkey_version", "redis_version").to_owned(),
            cluster_mode: either("server_mode", "redis_mode") == "cluster",
            uptime_seconds: fields.number("uptime_in_seconds"),
            memory_used_bytes: fields.number("used_memory"),
            memory_max_bytes: fields.number("maxmemory"),
            memory_policy: fields
                .text("maxmemory_policy")
                .unwrap_or_default()
                .to_owned(),
            aof_write_failed: fields.text("aof_last_write_status") == Some("err"),
            rdb_save_failed: fields.text("rdb_last_bgsave_status") == Some("err"),
            clients: fields.number("connected_clients"),
            ops_per_sec: fields.number("instantaneous_ops_per_sec"),
            run_id: fields.text("run_id").unwrap_or_default().to_owned(),
            commands: fields.number("total_commands_processed"),
            net_in_bytes: fields.number("total_net_input_bytes"),
            net_out_bytes: fields.number("total_net_output_bytes"),
            evicted: fields.number("evicted_keys"),
            hits: fields.number("keyspace_hits"),
            misses: fields.number("keyspace_misses"),
            keys: fields.text("db0").map_or(0, |db| of_keyspace(db, "keys=")),
            expiring: fields
                .text("db0")
                .map_or(0, |db| of_keyspace(db, "expires=")),
            let_go: fields.number("expired_keys")
                + fields.number("evicted_keys")
                + fields.number("rdb_last_load_keys_expired"),
            loading: fields.number("loading") == 1,
            replication: Replication {
                role: match fields.text("role") {
                    Some("slave") => Role::Replica,
                    _ => Role::Master,
                },
                stream: fields.text("master_replid").unwrap_or_default().to_owned(),
                former_stream: fields
                    .text("master_replid2")
                    .filter(|id| id.bytes().any(|byte| byte != b'0'))
                    .unwrap_or_default()
                    .to_owned(),
                former_offset: fields.number("second_repl_offset").saturating_sub(1),
                offset: match fields.text("slave_repl_offset") {
                    Some(offset) => offset.parse().unwrap_or(0),
                    None => fields.number("master_repl_offset"),
                },
                link_up: fields.text("master_link_status") == Some("up"),
                last_io_seconds: fields
                    .text("master_last_io_seconds_ago")
                    .and_then(|seconds| seconds.parse().ok()),
                syncing: fields.number("master_sync_in_progress") == 1,
                good: fields
                    .text("min_slaves_good_slaves")
                    .and_then(|good| good.parse().ok()),
                wanted_good: 0,
                attached: (0..fields.number("connected_slaves"))
                    .map_while(|i| fields.text(&format!("slave{i}")))
                    .filter_map(Attached::parse)
                    .collect(),
            },
        }
    }

    /// The version as people see it: `7.0.15`, or `valkey 9.0.0` for a server that is not Redis.
    pub fn shown_version(&self) -> String {
        let NodeInfo {
            server, version, ..
        } = self;
        match server.as_str() {
            "" | "redis" => version.clone(),
            server => format!("{server} {version}"),
        }
    }

    /// Hits over all look-ups since the node started; `None` if there were none.
    pub fn hit_ratio(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio for people, 53 bits are plenty"
        )]
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

/// `keys=3,expires=0,avg_ttl=0` and `keys=` → 3.
fn of_keyspace(keyspace: &str, field: &str) -> u64 {
    keyspace
        .split(',')
        .find_map(|part| part.strip_prefix(field))
        .and_then(|keys| keys.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_replica_is_read_from_its_fields() {
        let info = NodeInfo::from_fields(&Fields::parse(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n# Replication\r\nrole:slave\r\n\
             master_link_status:up\r\nslave_repl_offset:42\r\nmaster_repl_offset:40\r\n\
             master_last_io_seconds_ago:-1\r\n# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n",
        ));
        assert_eq!(info.replication.role, Role::Replica);
        assert_eq!(info.replication.offset, 42);
        assert_eq!(info.replication.last_io_seconds, None);
        assert!(info.replication.link_up && info.cluster_mode);
        assert_eq!(info.keys, 7);
        assert_eq!(info.hit_ratio(), None);
    }

    #[test]
    fn a_valkey_is_itself_and_runs_in_cluster_mode() {
        let of = |text| NodeInfo::from_fields(&Fields::parse(text));
        let nine = of(
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.0\r\n\
                       server_mode:cluster\r\n",
        );
        assert_eq!((&*nine.server, &*nine.version), ("valkey", "9.0.0"));
        assert!(nine.cluster_mode && nine.shown_version() == "valkey 9.0.0");
        let eight = of(
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n\
                        redis_mode:cluster\r\nserver_mode:cluster\r\n",
        );
        assert!(eight.cluster_mode);
        let redis = of("redis_version:7.0.15\r\nredis_mode:standalone\r\n");
        assert_eq!((&*redis.server, &*redis.version), ("redis", "7.0.15"));
        assert!(!redis.cluster_mode && redis.shown_version() == "7.0.15");
    }

    #[test]
    fn a_master_tells_how_late_each_replica_is() {
        let info = NodeInfo::from_fields(&Fields::parse(
            "role:master\r\nconnected_slaves:2\r\n\
             slave0:ip=172.18.128.5,port=6382,state=online,offset=1022,lag=3\r\n\
             slave1:ip=::1,port=6383,state=wait_bgsave,offset=0,lag=0\r\n",
        ));
        let expected = Attached {
            ip: [172, 18, 128, 5].into(),
            port: 6382,
            lag_seconds: 3,
        };
        assert_eq!(info.replication.attached, [expected]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,200}") {
            let fields = Fields::parse(&text);
            let _ = (NodeInfo::from_fields(&fields), ClusterInfo::from_fields(&fields));
        }
    }
}
