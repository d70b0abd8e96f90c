//! The commonest sicknesses, a few seconds each.

use super::{Animal, Held, Sickness, held, nothing};
use crate::rig::{signal, until};
use nix::sys::signal::Signal;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

pub(super) const COMMON: &[Sickness] = &[
    Sickness("a replica stopped", |it| {
        it.kill(&[4]);
        nothing()
    }),
    Sickness("a master frozen", |it| {
        signal(it.pid(2), Signal::SIGSTOP);
        nothing()
    }),
    Sickness("a slot half open", |it| {
        it.say(2, &["cluster", "setslot", "42", "importing", &it.id(1)]);
        nothing()
    }),
    Sickness("slots without owner", |it| {
        it.everybody(&["cluster", "delslotsrange", "40", "50"]);
        nothing()
    }),
    Sickness("a master cannot save", |it| {
        let dump = it.data(2).join("dump.rdb");
        let _ = fs::remove_file(&dump);
        fs::create_dir_all(dump.join("x")).unwrap();
        it.say(2, &["bgsave"]);
        until("the save failed", || {
            it.say(2, &["info", "persistence"])
                .contains("rdb_last_bgsave_status:err")
        });
        nothing()
    }),
    Sickness("no more clients", |it| fill_clients(it, 2)),
    Sickness("another password", |it| {
        it.say(2, &["config", "set", "requirepass", "other"]);
        nothing()
    }),
];

/// Opens connections to a node until it takes no more.
fn fill_clients(it: &Animal, node: u16) -> Held {
    it.say(node, &["config", "set", "maxclients", "12"]);
    let mut clients = Vec::new();
    for _ in 0..64 {
        let Ok(mut client) = TcpStream::connect(("127.0.0.1", it.port(node))) else {
            break;
        };
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut answer = [0; 64];
        let sent = client.write_all(b"PING\r\n").is_ok();
        let read = if sent {
            client.read(&mut answer).unwrap_or(0)
        } else {
            0
        };
        if answer[..read].starts_with(b"+PONG") {
            clients.push(client);
        }
    }
    held(clients)
}
