//! Puts redis.conf into a container: as a tar stream through the API, before it starts.

use super::{Docker, find::Container};
use bollard::query_parameters::UploadToContainerOptions;
use rcluster_core::{
    error::{Error, Result},
    spec::container::CONF,
};
use std::io;
use tar::{Builder, EntryType, Header};

/// A folder that every image has; the folders from there to [`CONF`] are created.
const ROOT: &str = "/usr/local";

impl Docker {
    /// Puts redis.conf in place, unless compose has mounted one: then the file on the host counts.
    pub(super) async fn put_conf(&self, container: &Container, conf: &str) -> Result<()> {
        if container.conf_is_mounted() {
            return Ok(());
        }
        self.upload_conf(&container.id, container.node.as_str(), conf)
            .await
    }

    /// Puts redis.conf into the container of that id.
    pub(super) async fn upload_conf(&self, id: &str, node: &str, conf: &str) -> Result<()> {
        let what = format!("writing the redis.conf of {node}");
        let archive = archive(conf).map_err(|error| Error::failed(what.clone()).source(error))?;
        let options = UploadToContainerOptions {
            path: ROOT.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_full(archive.into());
        self.call(what, self.api.upload_to_container(id, Some(options), body))
            .await
    }
}

/// Only root may read it, because it may hold the password.
fn archive(conf: &str) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let below = CONF.trim_start_matches(ROOT).trim_start_matches('/');
    for (end, _) in below.match_indices('/') {
        let mut header = header(EntryType::Directory, 0o755, 0);
        tar.append_data(&mut header, format!("{}/", &below[..end]), io::empty())?;
    }
    let mut header = header(EntryType::Regular, 0o600, conf.len() as u64);
    tar.append_data(&mut header, below, conf.as_bytes())?;
    tar.into_inner()
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn only_root_may_read_it() {
        let bytes = archive("port 7000\n").unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().display().to_string();
            seen.push((path, entry.header().mode().unwrap(), text));
        }
        let last = seen.pop().unwrap();
        assert_eq!(
            last,
            ("etc/redis/redis.conf".into(), 0o600, "port 7000\n".into())
        );
        assert_eq!(seen.len(), 2);
    }
}
