//! The real wire: one multiplexed connection per endpoint, kept for as long as it works.

use super::{Wire, WireError, WireResult};
use async_trait::async_trait;
use rcluster_core::{
    login::{Login, Tls},
    node::{Address, Endpoint, Epoch, NodeId},
    secret::Secret,
    slot::{SlotRange, SlotSet},
    snapshot::{
        info::{ClusterInfo, Fields, NodeInfo},
        nodes_text,
        report::{Announced, Report},
    },
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection, cmd,
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long a connection and an ordinary call may take, unless said otherwise.
pub const CALL_DEADLINE: Duration = Duration::from_secs(1);

/// FLUSHALL and CLUSTER RESET free everything before they answer.
const HEAVY_DEADLINE: Duration = Duration::from_secs(60);

/// The real thing.
pub struct LiveWire {
    login: Login,
    deadline: Duration,
    connections: Mutex<HashMap<Endpoint, MultiplexedConnection>>,
}

impl LiveWire {
    /// Calls with this login.
    pub fn new(login: &Login) -> Self {
        LiveWire {
            login: login.clone(),
            deadline: CALL_DEADLINE,
            connections: Mutex::default(),
        }
    }

    /// With another deadline for ordinary calls.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn ordinary_deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn is_connected(&self, at: &Endpoint) -> bool {
        self.lock().contains_key(at)
    }

    pub(super) async fn connect(&self, at: &Endpoint) -> Result<MultiplexedConnection, RedisError> {
        self.open(at, self.login.secret.as_ref()).await
    }

    /// Connects; with a password, it is one more round trip.
    async fn open(
        &self,
        at: &Endpoint,
        password: Option<&Secret>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let Tls::Off = self.login.tls;
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = password {
            settings = settings.set_password(password.reveal());
            if let Some(user) = &self.login.user {
                settings = settings.set_username(user);
            }
        }
        let info = ConnectionAddr::Tcp(at.host.clone(), at.port).into_connection_info()?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// Sends a pipeline; a broken cached connection is replaced once. Every reply is returned, an
    /// error reply in its place.
    pub(super) async fn send(
        &self,
        at: &Endpoint,
        pipeline: &Pipeline,
        deadline: Duration,
    ) -> WireResult<Vec<Value>> {
        let work = async {
            let cached = self.lock().get(at).cloned();
            let had_one = cached.is_some();
            let mut connection = match cached {
                Some(connection) => connection,
                None => self.connect(at).await?,
            };
            let count = pipeline.len();
            let reply = connection.send_packed_commands(pipeline, 0, count).await;
            match reply {
                Err(error) if had_one && error.is_unrecoverable_error() => {
                    connection = self.connect(at).await?;
                    let reply = connection.send_packed_commands(pipeline, 0, count).await?;
                    Ok((connection, reply))
                }
                reply => Ok((connection, reply?)),
            }
        };
        let (connection, replies) = self.within(at, deadline, work).await?;
        self.lock().insert(at.clone(), connection);
        Ok(replies)
    }

    /// The same for what only reads: the first time it goes out together with the password, so
    /// that a node far away is not asked twice. It is answered only where the password is accepted.
    async fn look(&self, at: &Endpoint, pipeline: &Pipeline) -> WireResult<Vec<Value>> {
        let Some(password) = self
            .login
            .secret
            .as_ref()
            .filter(|_| !self.is_connected(at))
        else {
            return self.send(at, pipeline, self.deadline).await;
        };
        let mut whole = Pipeline::with_capacity(pipeline.len() + 1);
        let auth = whole.cmd("AUTH");
        if let Some(user) = &self.login.user {
            auth.arg(user);
        }
        auth.arg(password.reveal());
        for command in pipeline.cmd_iter() {
            whole.add_command(command.clone());
        }
        let work = async {
            let mut connection = self.open(at, None).await?;
            let count = whole.len();
            let replies = connection.send_packed_commands(&whole, 0, count).await?;
            Ok((connection, replies))
        };
        let (connection, mut replies) = self.within(at, self.deadline, work).await?;
        if let Err(error) = replies.remove(0).extract_error() {
            let at = at.clone();
            let reply = reply_of(&error);
            return Err(WireError::Auth { at, reply });
        }
        self.lock().insert(at.clone(), connection);
        Ok(replies)
    }

    /// Waits so long; who fails or is too late is not remembered.
    async fn within<T>(
        &self,
        at: &Endpoint,
        deadline: Duration,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> WireResult<T> {
        match tokio::time::timeout(deadline, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                self.lock().remove(at);
                Err(typed(at, "connecting", &error))
            }
            Err(_) => {
                self.lock().remove(at);
                Err(WireError::Silent {
                    at: at.clone(),
                    millis: deadline.as_millis(),
                })
            }
        }
    }

    /// The same for the rest of the wire: within the ordinary deadline, and `patience` on top.
    pub(super) async fn pipeline(
        &self,
        at: &Endpoint,
        pipeline: &Pipeline,
        patience: Duration,
    ) -> WireResult<Vec<Value>> {
        self.send(at, pipeline, self.deadline + patience).await
    }

    pub(super) async fn call<T: FromRedisValue>(
        &self,
        at: &Endpoint,
        command: Cmd,
    ) -> WireResult<T> {
        self.call_within(at, command, self.deadline).await
    }

    async fn call_within<T: FromRedisValue>(
        &self,
        at: &Endpoint,
        command: Cmd,
        deadline: Duration,
    ) -> WireResult<T> {
        let name = name_of(&command);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        let replies = self.send(at, &pipeline, deadline).await?;
        take(at, &name, replies.into_iter().next())
    }

    pub(super) fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<Endpoint, MultiplexedConnection>> {
        // A panic while holding it cannot leave the map half-changed.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reply of a pipeline, as the type that the command answers.
pub(super) fn take<T: FromRedisValue>(
    at: &Endpoint,
    command: &str,
    reply: Option<Value>,
) -> WireResult<T> {
    let value = reply.ok_or_else(|| unreadable(at, command, "no reply"))?;
    let value = value
        .extract_error()
        .map_err(|error| typed(at, command, &error))?;
    T::from_redis_value(value).map_err(|error| unreadable(at, command, error))
}

pub(super) fn unreadable(at: &Endpoint, command: &str, why: impl Display) -> WireError {
    WireError::Unreadable {
        at: at.clone(),
        command: command.to_owned(),
        why: why.to_string(),
    }
}

/// The command's words without its arguments: `CLUSTER MEET`, `CONFIG SET`; a value never shows.
fn name_of(command: &Cmd) -> String {
    let words = command.args_iter().filter_map(|arg| match arg {
        redis::Arg::Simple(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    });
    let words: Vec<&str> = words.take(2).collect();
    match words[..] {
        [family @ ("CLUSTER" | "CONFIG"), verb] => format!("{family} {verb}"),
        [verb, ..] => verb.to_owned(),
        [] => String::new(),
    }
}

/// What the connection said, without "(os error 111)".
fn plain(error: &RedisError) -> String {
    let text =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// What the node said, in its own words.
fn reply_of(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (_, Some(detail)) => detail.to_owned(),
        _ => error.to_string(),
    }
}

fn typed(at: &Endpoint, command: &str, error: &RedisError) -> WireError {
    let at = at.clone();
    let reply = reply_of(error);
    let code = error.code().unwrap_or_default();
    match error.kind() {
        // The client keeps what the node said to itself.
        ErrorKind::AuthenticationFailed => WireError::Auth {
            at,
            reply: "wrong, or there is no such user".to_owned(),
        },
        _ if matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM") => WireError::Auth { at, reply },
        ErrorKind::Server(ServerErrorKind::BusyLoading) => WireError::Loading { at },
        ErrorKind::Server(ServerErrorKind::ClusterDown) => WireError::ClusterDown { at, reply },
        ErrorKind::Server(ServerErrorKind::Moved) => {
            let to = error
                .redirect_node()
                .and_then(|(to, slot)| Some((to.parse().ok()?, slot)));
            match to {
                Some((to, slot)) => WireError::Moved { at, slot, to },
                None => unreadable(&at, command, reply),
            }
        }
        ErrorKind::Server(_) | ErrorKind::Extension if reply.contains("Unknown node") => {
            WireError::UnknownNode { at, reply }
        }
        ErrorKind::Io | ErrorKind::Parse => WireError::Unreachable {
            at,
            why: plain(error),
        },
        _ => WireError::Reply {
            at,
            command: command.to_owned(),
            reply,
        },
    }
}

#[async_trait]
impl Wire for LiveWire {
    async fn observe(&self, at: &Endpoint) -> WireResult<Report> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("CLUSTER").arg("NODES");
        pipeline.cmd("CLUSTER").arg("INFO");
        pipeline.cmd("INFO");
        let mut replies = self.look(at, &pipeline).await?.into_iter();
        let view: String = take(at, "CLUSTER NODES", replies.next())?;
        let cluster: String = take(at, "CLUSTER INFO", replies.next())?;
        let info: String = take(at, "INFO", replies.next())?;
        Ok(Report {
            view: nodes_text::parse(&view).map_err(|why| unreadable(at, "CLUSTER NODES", why))?,
            cluster: ClusterInfo::from_fields(&Fields::parse(&cluster)),
            info: NodeInfo::from_fields(&Fields::parse(&info)),
        })
    }

    async fn add_slots(&self, at: &Endpoint, slots: &SlotSet) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("ADDSLOTSRANGE");
        for range in slots.ranges() {
            command.arg(range.from().number()).arg(range.to().number());
        }
        self.call(at, command).await
    }

    async fn set_epoch(&self, at: &Endpoint, epoch: Epoch) -> WireResult<()> {
        self.call(
            at,
            cmd("CLUSTER")
                .arg("SET-CONFIG-EPOCH")
                .arg(epoch.0)
                .to_owned(),
        )
        .await
    }

    async fn meet(&self, at: &Endpoint, peers: &[Address]) -> WireResult<()> {
        let mut pipeline = Pipeline::with_capacity(peers.len());
        for peer in peers {
            let command = pipeline
                .cmd("CLUSTER")
                .arg("MEET")
                .arg(peer.ip.to_string())
                .arg(peer.port);
            // The third argument only where it is needed: 4.0-style proxies refuse it.
            if peer.port.checked_add(rcluster_core::node::BUS_OFFSET) != Some(peer.bus_port) {
                command.arg(peer.bus_port);
            }
        }
        for reply in self.send(at, &pipeline, self.deadline).await? {
            take::<()>(at, "CLUSTER MEET", Some(reply))?;
        }
        Ok(())
    }

    async fn replicate(&self, at: &Endpoint, master: &NodeId) -> WireResult<()> {
        self.call(
            at,
            cmd("CLUSTER")
                .arg("REPLICATE")
                .arg(master.as_str())
                .to_owned(),
        )
        .await
    }

    async fn take_over(&self, at: &Endpoint) -> WireResult<()> {
        let mut command = cmd("CLUSTER");
        command.arg("FAILOVER").arg("TAKEOVER");
        match self.call(at, command).await {
            Err(WireError::Reply { reply, .. })
                if reply.contains("send CLUSTER FAILOVER to a replica") =>
            {
                Ok(())
            }
            result => result,
        }
    }

    async fn flush(&self, at: &Endpoint) -> WireResult<()> {
        self.call_within(at, cmd("FLUSHALL"), HEAVY_DEADLINE).await
    }

    async fn reset(&self, at: &Endpoint) -> WireResult<()> {
        self.call_within(
            at,
            cmd("CLUSTER").arg("RESET").arg("HARD").to_owned(),
            HEAVY_DEADLINE,
        )
        .await
    }

    async fn forget(&self, at: &Endpoint, gone: &NodeId) -> WireResult<()> {
        match self
            .call(
                at,
                cmd("CLUSTER").arg("FORGET").arg(gone.as_str()).to_owned(),
            )
            .await
        {
            Err(WireError::UnknownNode { .. }) => Ok(()),
            result => result,
        }
    }

    async fn config_get(
        &self,
        at: &Endpoint,
        names: &[&str],
    ) -> WireResult<BTreeMap<String, String>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.call(at, cmd("CONFIG").arg("GET").arg(names).to_owned())
            .await
    }

    async fn config_set(&self, at: &Endpoint, settings: &[(String, String)]) -> WireResult<()> {
        let mut command = cmd("CONFIG");
        command.arg("SET");
        for (name, value) in settings {
            command.arg(name).arg(value);
        }
        self.call(at, command).await
    }

    async fn announced(&self, at: &Endpoint) -> WireResult<Vec<Announced>> {
        let rows: Vec<Vec<Value>> = self
            .call(at, cmd("CLUSTER").arg("SLOTS").to_owned())
            .await?;
        rows.into_iter()
            .map(|row| announced(at, row))
            .collect::<Result<_, _>>()
            .map_err(|why| unreadable(at, "CLUSTER SLOTS", why))
    }

    async fn probe(&self, at: &Endpoint, key: &str, value: &str) -> WireResult<()> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.cmd("SET").arg(key).arg(value).arg("EX").arg(60);
        pipeline.cmd("GET").arg(key);
        pipeline.cmd("DEL").arg(key);
        let mut replies = self.send(at, &pipeline, self.deadline).await?.into_iter();
        take::<()>(at, "SET", replies.next())?;
        let read: Option<String> = take(at, "GET", replies.next())?;
        if read.as_deref() != Some(value) {
            let why = format!("wrote '{value}', read {read:?}");
            return Err(unreadable(at, "GET", why));
        }
        take::<i64>(at, "DEL", replies.next()).map(drop)
    }
}

/// A row is `from, to, [host, port, id, …], replicas…`; an empty or null host means "the one you
/// dialled" (`addNodeToNodeReply` in cluster.c).
fn announced(at: &Endpoint, row: Vec<Value>) -> Result<Announced, String> {
    let mut row = row.into_iter();
    let mut number = |what| {
        let value = row.next().ok_or(format!("no {what}"))?;
        u16::from_redis_value(value).map_err(|error| error.to_string())
    };
    let (from, to) = (number("first slot")?, number("last slot")?);
    let master = row.next().ok_or("no master")?;
    let master: Vec<Value> = Vec::from_redis_value(master).map_err(|error| error.to_string())?;
    let [host, port, id, ..] = &master[..] else {
        return Err("a node with fewer than three fields".to_owned());
    };
    let text = |value: &Value| {
        Option::<String>::from_redis_value_ref(value).map_err(|error| error.to_string())
    };
    let host = text(host)?
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| at.host.clone());
    let port = u16::from_redis_value_ref(port).map_err(|error| error.to_string())?;
    Ok(Announced {
        range: SlotRange::new(from, to).ok_or("not a slot range")?,
        master: Endpoint::new(host, port),
        id: text(id)?.unwrap_or_default().parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// A node that answers with this once it has been asked for everything.
    async fn node(answer: String) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            let mut asked = Vec::new();
            // CLUSTER INFO is the last but one.
            while String::from_utf8_lossy(&asked).matches("INFO\r\n").count() < 2 {
                client.read_buf(&mut asked).await.expect("it asks");
            }
            client
                .write_all(answer.as_bytes())
                .await
                .expect("it listens");
            client.read_buf(&mut asked).await.expect("it leaves");
        });
        Endpoint::new("127.0.0.1", port)
    }

    #[tokio::test]
    async fn the_password_costs_no_round_trip_of_its_own() {
        let id = "a".repeat(40);
        let line = format!("{id} 127.0.0.1:7000@17000 myself,master - 0 0 0 connected\n");
        let texts = [
            line.as_str(),
            "cluster_state:ok\r\n",
            "redis_version:7.0.15\r\n",
        ];
        let answer = texts.map(|text| format!("${}\r\n{text}\r\n", text.len()));
        let at = node(format!("+OK\r\n{}", answer.concat())).await;
        let wire = LiveWire::new(&Login::of(
            Some("ann".to_owned()),
            Secret::parse("secret").expect("a password"),
        ));
        let report = wire.observe(&at).await.expect("a report");
        assert_eq!(report.view.myself.as_str(), id);
        assert!(report.cluster.ok && wire.is_connected(&at));
    }

    #[tokio::test]
    async fn who_is_not_let_in_is_told_nothing() {
        let refusal = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        let text = "+hello\r\n";
        let at = node(format!("{refusal}{text}{text}{text}")).await;
        let wire = LiveWire::new(&Login::with(Secret::parse("wrong").expect("a password")));
        let error = wire.observe(&at).await.expect_err("refused");
        assert!(
            matches!(&error, WireError::Auth { reply, .. } if reply.starts_with("WRONGPASS")),
            "{error}"
        );
        assert!(!wire.is_connected(&at));
    }
}
