//! The real wire: one multiplexed connection per endpoint, kept for as long as it works.

mod refusal;
mod stream;

use super::Wire;
use rcluster_core::{
    login::{Login, Tls},
    monitor::told::Traffic,
    node::Endpoint,
    snapshot::{
        answer::{WireError, WireResult},
        capability::Capabilities,
        nodes_text::{Lines, View},
    },
};
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, Value,
    aio::MultiplexedConnection,
};
use refusal::{connection_failed, typed};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
    vec,
};
use stream::{First, Tally, Watched};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::AbortHandle,
};

/// How long a connection and an ordinary call may take, unless said otherwise.
pub const CALL_DEADLINE: Duration = Duration::from_secs(1);

/// Whoever was asked to change something answered just before. Of a hundred nodes on two cores one may
/// be busy for longer than an ordinary call may take, and nobody would know what it carried out.
pub(super) const CHANGE_DEADLINE: Duration = Duration::from_secs(10);

/// FLUSHALL and CLUSTER RESET free everything before they answer.
pub(super) const HEAVY_DEADLINE: Duration = Duration::from_secs(60);

/// How many views are read at the same time, and how many connections are kept for later. It is
/// bounded because each of a thousand nodes answers with 100 KB, and a connection keeps the buffer
/// that it once needed.
const AT_ONCE: usize = 128;

/// The wire that speaks to real nodes.
pub struct LiveWire {
    login: Login,
    deadline: Duration,
    connections: Mutex<HashMap<Endpoint, Connection>>,
    /// The lines of CLUSTER NODES that were read, so that equal lines share memory.
    lines: Mutex<Lines>,
    turns: Semaphore,
    /// What was said, over all connections to a node.
    tallies: Mutex<HashMap<Endpoint, Arc<Tally>>>,
}

/// An open connection. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    first: Arc<First>,
    /// What the server at the other end can do. It is kept with the connection, because a server
    /// that was restarted may be another one, and has a new connection.
    capabilities: Arc<OnceLock<Capabilities>>,
    _driver: Arc<Driver>,
}

/// The task that writes to and reads from the socket; it ends when this is dropped.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The replies of a pipeline in the order of its commands; an error reply is one of them.
pub(super) struct Replies {
    at: Endpoint,
    values: vec::IntoIter<Value>,
}

impl Replies {
    /// The next reply, as the type that `command` answers.
    pub(super) fn take<T: FromRedisValue>(&mut self, command: &str) -> WireResult<T> {
        let unreadable = |why: &str| WireError::unreadable(&self.at, command, why);
        let value = self.values.next().ok_or_else(|| unreadable("no reply"))?;
        let value = value.extract_error();
        let value = value.map_err(|error| typed(&self.at, command, &error))?;
        T::from_redis_value(value).map_err(|error| unreadable(&error.to_string()))
    }
}

impl Connection {
    /// Sends a pipeline. An error means that nobody knows which commands were carried out.
    pub(super) async fn send(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let count = pipeline.len();
        self.redis.send_packed_commands(pipeline, 0, count).await
    }

    /// The error that the node sent before it hung up, if it refused this client altogether.
    pub(super) fn turned_away(&self) -> Option<&str> {
        self.first.turned_away()
    }
}

impl LiveWire {
    /// A wire that logs in so.
    pub fn new(login: &Login) -> Self {
        LiveWire {
            login: login.clone(),
            deadline: CALL_DEADLINE,
            connections: Mutex::default(),
            lines: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            tallies: Mutex::default(),
        }
    }

    /// Sets the deadline for ordinary calls.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Waits until fewer than [`AT_ONCE`] views are under way.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    /// Parses a view. Lines that are equal to lines of earlier views share their memory.
    pub(super) fn read(&self, view: &str) -> Result<View, String> {
        let lines = self.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).parse(view)
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// What was said to a node and heard from it so far.
    pub(super) fn said(&self, at: &Endpoint) -> Traffic {
        self.tally(at).traffic()
    }

    fn tally(&self, at: &Endpoint) -> Arc<Tally> {
        let tallies = self.tallies.lock();
        let mut tallies = tallies.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tallies.entry(at.clone()).or_default())
    }

    pub(super) fn is_connected(&self, at: &Endpoint) -> bool {
        self.lock().contains_key(at)
    }

    pub(super) fn known_capabilities(&self, at: &Endpoint) -> Option<Capabilities> {
        self.lock().get(at)?.capabilities.get().cloned()
    }

    pub(super) fn remember_capabilities(&self, at: &Endpoint, known: &Capabilities) {
        if let Some(connection) = self.lock().get(at) {
            connection.capabilities.get_or_init(|| known.clone());
        }
    }

    /// Connects and logs in; a password costs one more round trip.
    pub(super) async fn connect(&self, at: &Endpoint) -> WireResult<Connection> {
        self.open(at, true).await
    }

    async fn open(&self, at: &Endpoint, with_password: bool) -> WireResult<Connection> {
        let Tls::Off = self.login.tls;
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let (Some(secret), true) = (&self.login.secret, with_password) {
            settings = settings.set_password(secret.reveal());
            if let Some(user) = &self.login.user {
                settings = settings.set_username(user);
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let first = Arc::<First>::default();
        let open = async {
            let tally = self.tally(at);
            let stream = Watched::dial(&at.host, at.port, Arc::clone(&first), tally).await?;
            MultiplexedConnection::new_with_config(&settings, stream, config).await
        };
        let (redis, driver) = open
            .await
            .map_err(|error| connection_failed(at, &first, &error))?;
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Connection {
            redis,
            first,
            capabilities: Arc::default(),
            _driver: Arc::new(Driver(driver)),
        })
    }

    /// Sends a pipeline within the ordinary deadline.
    pub(super) async fn send(&self, at: &Endpoint, pipeline: &Pipeline) -> WireResult<Replies> {
        self.send_within(at, pipeline, self.deadline).await
    }

    /// Sends a pipeline; the ordinary deadline is extended by `patience`.
    pub(super) async fn send_patiently(
        &self,
        at: &Endpoint,
        pipeline: &Pipeline,
        patience: Duration,
    ) -> WireResult<Replies> {
        let deadline = self.deadline.saturating_add(patience);
        self.send_within(at, pipeline, deadline).await
    }

    /// Sends a pipeline. If a cached connection turns out to be broken, a new one is tried once.
    pub(super) async fn send_within(
        &self,
        at: &Endpoint,
        pipeline: &Pipeline,
        deadline: Duration,
    ) -> WireResult<Replies> {
        let work = async {
            let cached = self.lock().get(at).cloned();
            let had_one = cached.is_some();
            let mut connection = match cached {
                Some(connection) => connection,
                None => self.connect(at).await?,
            };
            let mut values = connection.send(pipeline).await;
            if had_one && matches!(&values, Err(error) if error.is_unrecoverable_error()) {
                connection = self.connect(at).await?;
                values = connection.send(pipeline).await;
            }
            let first = &connection.first;
            let values = values.map_err(|error| connection_failed(at, first, &error))?;
            Ok((connection, values))
        };
        self.within(at, deadline, work).await
    }

    /// Sends a pipeline that only reads. On a new connection it goes out together with the
    /// password, which saves a round trip to a node far away; it is answered only if the password
    /// is accepted.
    pub(super) async fn look(&self, at: &Endpoint, pipeline: &Pipeline) -> WireResult<Replies> {
        let secret = self.login.secret.as_ref();
        let Some(secret) = secret.filter(|_| !self.is_connected(at)) else {
            return self.send(at, pipeline).await;
        };
        let mut whole = Pipeline::with_capacity(pipeline.len() + 1);
        let auth = whole.cmd("AUTH");
        if let Some(user) = &self.login.user {
            auth.arg(user);
        }
        auth.arg(secret.reveal());
        for command in pipeline.cmd_iter() {
            whole.add_command(command.clone());
        }
        let work = async {
            let mut connection = self.open(at, false).await?;
            let values = connection.send(&whole).await;
            let first = &connection.first;
            let mut values = values.map_err(|error| connection_failed(at, first, &error))?;
            if let Err(error) = values.remove(0).extract_error() {
                return Err(match typed(at, "AUTH", &error) {
                    // The node refused the AUTH, whatever its reason.
                    WireError::Reply { at, reply, .. } => WireError::Auth { at, reply },
                    error => error,
                });
            }
            Ok((connection, values))
        };
        self.within(at, self.deadline, work).await
    }

    /// Gives up after `deadline`. A connection that failed or was too late is not used again.
    async fn within(
        &self,
        at: &Endpoint,
        deadline: Duration,
        work: impl Future<Output = WireResult<(Connection, Vec<Value>)>>,
    ) -> WireResult<Replies> {
        let outcome = tokio::time::timeout(deadline, work).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(WireError::Silent {
                at: at.clone(),
                millis: deadline.as_millis(),
            })
        });
        match outcome {
            Ok((connection, values)) => {
                let mut connections = self.lock();
                if connections.len() < AT_ONCE || connections.contains_key(at) {
                    connections.insert(at.clone(), connection);
                }
                drop(connections);
                Ok(Replies {
                    at: at.clone(),
                    values: values.into_iter(),
                })
            }
            Err(error) => {
                self.lock().remove(at);
                Err(error)
            }
        }
    }

    /// Sends a pipeline once, over a connection of its own that is closed afterwards.
    pub(super) async fn send_once(
        &self,
        at: &Endpoint,
        pipeline: &Pipeline,
        deadline: Duration,
    ) -> WireResult<Vec<Value>> {
        let work = async {
            let mut connection = self.connect(at).await?;
            let values = connection.send(pipeline).await;
            values.map_err(|error| connection_failed(at, &connection.first, &error))
        };
        let silent = |_| WireError::Silent {
            at: at.clone(),
            millis: deadline.as_millis(),
        };
        tokio::time::timeout(deadline, work).await.map_err(silent)?
    }

    /// One command within the ordinary deadline.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        at: &Endpoint,
        command: Cmd,
    ) -> WireResult<T> {
        self.call_within(at, command, self.deadline).await
    }

    pub(super) async fn call_within<T: FromRedisValue>(
        &self,
        at: &Endpoint,
        command: Cmd,
        deadline: Duration,
    ) -> WireResult<T> {
        let name = name_of(&command);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        self.send_within(at, &pipeline, deadline).await?.take(&name)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Endpoint, Connection>> {
        // A thread that panics while it holds the lock cannot leave the map half-changed.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for LiveWire {
    fn another(&self) -> Box<dyn Wire> {
        Box::new(LiveWire::new(&self.login).deadline(self.deadline))
    }
}

/// The words of a command without its arguments (`CLUSTER MEET`, `CONFIG SET`), so that no value
/// shows in an error.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Looks;
    use rcluster_core::secret::Secret;
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
