// The cluster rcluster, by the redis crate: cargo add redis --features cluster
// Clients in containers do not reach this host's 127.0.0.1: run them with
// `docker run --network host` (Linux), or set `listen:` and `access: HOSTNAME` in the spec.
use redis::{Commands, RedisResult, cluster::ClusterClientBuilder};
use std::env;

const NODES: &str =
    "127.0.0.1:6379,127.0.0.1:6380,127.0.0.1:6381,127.0.0.1:6382,127.0.0.1:6383,127.0.0.1:6384";

fn main() -> RedisResult<()> {
    let nodes = env::var("REDIS_CLUSTER_NODES").unwrap_or_else(|_| NODES.to_owned());
    let urls = nodes.split(',').map(|node| format!("redis://{node}"));
    let mut builder = ClusterClientBuilder::new(urls);
    if let Ok(user) = env::var("REDIS_USERNAME") {
        builder = builder.username(user);
    }
    if let Ok(password) = env::var("REDIS_PASSWORD") {
        builder = builder.password(password);
    }
    let mut cluster = builder.build()?.get_connection()?;
    let () = cluster.set_ex("rcluster:hello", "world", 60)?;
    let hello: String = cluster.get("rcluster:hello")?;
    println!("{hello}");
    Ok(())
}
