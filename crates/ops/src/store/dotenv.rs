//! `REDIS_PASSWORD` in an `.env` beside the spec, and password files.

use super::bounded;
use rcluster_core::{
    error::{Error, Result},
    secret::Secret,
    text::shell::quoted,
};
use std::{io, os::unix::fs::PermissionsExt, path::Path};

/// The variable with the password, in the environment and in `.env`.
pub const VARIABLE: &str = "REDIS_PASSWORD";

/// `REDIS_PASSWORD` of the `.env` in this folder; `None` if there is no file or no such line.
pub fn password(folder: &Path) -> Result<Option<Secret>> {
    let path = folder.join(".env");
    let text = match bounded::text(&path, bounded::TEXT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::usage(format!("reading {}", path.display())).source(error)),
    };
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        match pair {
            Ok((name, value)) if name == VARIABLE => {
                return parse(&value, &path.display().to_string());
            }
            Ok(_) => {}
            // dotenvy's message quotes the line, which may hold a secret.
            Err(_) if text.contains(VARIABLE) => {
                return Err(Error::usage(format!(
                    "{} has a line that cannot be read",
                    path.display()
                ))
                .hint(format!("quote the value: {VARIABLE}='…'")));
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// The first line of a password file.
pub fn password_file(path: &Path) -> Result<Option<Secret>> {
    let text = bounded::text(path, bounded::TEXT).map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::NotFound {
            let file = quoted(&path.to_string_lossy());
            format!("make one: `(umask 077; openssl rand -hex 24 > {file})`")
        } else {
            "its first line is the password; keep it at mode 0600".to_owned()
        };
        Error::usage(format!("reading the password file {}", path.display()))
            .source(error)
            .hint(hint)
    })?;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(
            Error::usage(format!("{} has more than one line", path.display()))
                .hint("its first and only line is the password"),
        );
    }
    if first.is_empty() {
        return Err(Error::usage(format!("{} is empty", path.display()))
            .hint("its first line is the password; leave `password_file` out for none"));
    }
    parse(first, &path.display().to_string())
}

/// What is wrong with the permissions of a password file; `None`: nothing.
pub fn too_open(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o044 != 0).then(|| {
        let path = path.display();
        format!("others can read the password in {path}: `chmod 600 {path}`")
    })
}

/// Reads a password. `source` is named in the message, the password never is.
pub fn parse(text: &str, source: &str) -> Result<Option<Secret>> {
    Secret::parse(text).map_err(|why| Error::usage(format!("{source}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_printable_password_survives_its_quotes() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(password(folder.path()).expect("no file"), None);
        for (line, wanted) in [
            ("REDIS_PASSWORD=plain", "plain"),
            (
                "OTHER=1\nREDIS_PASSWORD='with space # and \"quotes\"'",
                "with space # and \"quotes\"",
            ),
            ("export REDIS_PASSWORD=\"it's\"", "it's"),
            ("REDIS_PASSWORD='$HOME'", "$HOME"),
        ] {
            std::fs::write(folder.path().join(".env"), line).expect("written");
            let found = password(folder.path())
                .expect("it reads")
                .expect("it is there");
            assert_eq!(found.reveal(), wanted, "{line}");
        }
    }

    #[test]
    fn a_password_file_is_its_first_line_as_it_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, " a 'b' #c \n").expect("written");
        let found = password_file(&path)
            .expect("it reads")
            .expect("it is there");
        assert_eq!(found.reveal(), " a 'b' #c ");
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
        mode(0o600).expect("changed");
        assert_eq!(too_open(&path), None);
        mode(0o640).expect("changed");
        assert!(too_open(&path).is_some_and(|why| why.contains("chmod 600")));
        std::fs::write(&path, "a\nb\n").expect("written");
        assert!(password_file(&path).is_err());
        std::fs::write(&path, "").expect("written");
        assert!(password_file(&path).is_err());
    }
}
