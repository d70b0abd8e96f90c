//! Reads `rcluster.yaml`: finds it, parses it, and reports problems with line and column.

use super::bounded;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    spec::{LATER, Spec, check::Problem, default_directives},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file's name.
pub const NAME: &str = "rcluster.yaml";

/// The nearest spec, from `folder` upward.
pub fn discover(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join(NAME))
        // A link that leads nowhere counts: it is an error, not a reason to take another spec.
        .find(|path| path.symlink_metadata().is_ok())
}

/// Reads and parses a spec. Keys that it leaves out have their defaults.
pub fn read(path: &Path) -> Result<Spec> {
    parse(&text(path)?, path)
}

/// The spec's text.
pub fn text(path: &Path) -> Result<String> {
    bounded::text(path, bounded::TEXT).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound if path.is_symlink() => {
                hint!["it is a link that leads nowhere: remove it or mend it"]
            }
            io::ErrorKind::NotFound => hint![Verb::New, " writes one"],
            io::ErrorKind::InvalidData => {
                hint!["a spec is a file of YAML; name another one with -f"]
            }
            _ => hint!["make it readable, or name another one with -f"],
        };
        Error::usage(format!("reading {}", path.display()))
            .source(error)
            .hint(hint)
    })
}

/// Writes a spec that exists, as a whole or not at all. Its owner may read and write it as before; a
/// link stays one.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let whole = || -> io::Result<()> {
        let path = fs::canonicalize(path)?;
        let name = format!(".{NAME}.{}.new", std::process::id());
        let draft = path.with_file_name(name);
        let mut file = fs::File::create_new(&draft)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.set_permissions(fs::metadata(&path)?.permissions()))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    };
    whole().map_err(|error| {
        Error::failed(format!("writing {}", path.display()))
            .source(error)
            .hint("make the file and its folder writable, or leave --spec out")
    })
}

/// Parses a spec. `path` is only named in messages.
///
/// The result has the right shape; [`check`] looks at its values, once flags and environment are
/// merged in.
pub fn parse(text: &str, path: &Path) -> Result<Spec> {
    // An empty file, or one with comments only, is the default spec, not an error about null.
    let blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(blank) {
        return Ok(Spec::default());
    }
    let mut spec: Spec = serde_yaml::from_str(text).map_err(|error| explain(&error, path))?;
    let own = std::mem::take(&mut spec.redis);
    spec.redis = default_directives();
    spec.redis.extend(own);
    Ok(spec)
}

/// Refuses a spec whose values make no sense, and names every problem.
pub fn check(spec: &Spec) -> Result<()> {
    let problems = spec.problems();
    let Some(first) = problems.first() else {
        return Ok(());
    };
    let line = |Problem { key, what, .. }: &Problem| format!("{key}: {what}");
    let message = problems.iter().map(line).collect::<Vec<_>>().join("\n");
    Err(Error::usage(message).hint(first.hint.clone()))
}

fn explain(error: &serde_yaml::Error, path: &Path) -> Error {
    let inner = error.without_snippet();
    let place = match error.location() {
        Some(location) => format!(
            "{}:{}:{}",
            path.display(),
            location.line(),
            location.column()
        ),
        None => path.display().to_string(),
    };
    if let serde_yaml::Error::SerdeUnknownField {
        field, expected, ..
    } = inner
    {
        if LATER.contains(&field.as_str()) {
            return Error::usage(format!("{place}: `{field}` is not supported yet")).hint(format!(
                "remove `{field}`; it is refused rather than ignored"
            ));
        }
        let known = || expected.iter().copied();
        let hint = match nearest(field, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known().collect::<Vec<_>>().join(", ")),
        };
        return Error::usage(format!("{place}: unknown key `{field}`")).hint(hint);
    }
    if let serde_yaml::Error::SerdeUnknownVariant {
        variant, expected, ..
    } = inner
    {
        let hint = match nearest(variant, expected.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? It can be {}", expected.join(", ")),
            None => format!("it can be {}", expected.join(", ")),
        };
        return Error::usage(format!("{place}: `{variant}` is not known here")).hint(hint);
    }
    let text = inner.to_string();
    // The place is in the message already.
    let text = first_line(&text);
    let text = text.split_once(" at line ").map_or(text, |(text, _)| text);
    let text = match text {
        "expected mapping start" => "here belong keys with values: `key: value`",
        "expected sequence start" => "here belongs a list",
        text => text,
    };
    Error::usage(format!("{place}: {text}"))
        .hint(hint![Verb::Schema, " prints what is allowed"; Verb::New, " writes an example"])
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// The known word that is most like the typed one, if one is similar enough.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (strsim::jaro_winkler(typed, word), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcluster_core::spec::{Access, PortChoice, RuntimeChoice, directive::Value};

    fn spec(text: &str) -> Result<Spec> {
        parse(text, Path::new("rcluster.yaml"))
    }

    fn wrong(text: &str) -> (String, String) {
        let error = spec(text).expect_err("it is wrong");
        assert_eq!(error.kind().exit_code(), 2);
        (error.cause(), error.hint_text().unwrap_or_default())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        for text in ["", "# nothing\n", "---\n", "version: 1\n", "{}"] {
            assert_eq!(spec(text).expect("valid"), Spec::default(), "{text:?}");
        }
        let spec = spec("redis:\n  maxmemory: 1gb\n  save: null\n").expect("valid");
        assert_eq!(spec.redis["maxmemory"], Value::Text("1gb".into()));
        assert_eq!(spec.redis["save"], Value::Unset(()));
        assert_eq!(spec.redis["appendfsync"], Value::Text("everysec".into()));
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let spec = spec(
            "name: a\nruntime: docker\nport: auto\naccess: cache.example.org\nlisten: 0.0.0.0\n\
             redis: {appendonly: no, maxclients: 5, save: [\"900 1\"], loglevel: debug}\n\
             nodes:\n  node-1: {zone: a, redis: {maxmemory: 1gb}}\n",
        )
        .expect("valid");
        assert_eq!(spec.runtime, RuntimeChoice::Docker);
        assert!(matches!(spec.port, PortChoice::Auto(_)));
        assert_eq!(spec.access, Access::Hostname("cache.example.org".into()));
        assert_eq!(spec.redis["appendonly"].config_set().as_deref(), Some("no"));
        assert_eq!(spec.redis["maxclients"], Value::Number(5));
        assert_eq!(spec.redis["save"], Value::Lines(vec!["900 1".into()]));
        assert_eq!(check(&spec).map_err(|error| error.cause()), Ok(()));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_place_and_its_neighbour() {
        let (cause, hint) = wrong("version: 1\nreplica: 2\n");
        assert_eq!(cause, "rcluster.yaml:2:1: unknown key `replica`");
        assert_eq!(hint, "did you mean `replicas`?");
        let (cause, hint) = wrong("nodes:\n  node-1:\n    zones: a\n");
        assert_eq!(cause, "rcluster.yaml:3:5: unknown key `zones`");
        assert_eq!(hint, "did you mean `zone`?");
        assert!(
            wrong("quux: 1\n")
                .1
                .starts_with("known keys: version, name")
        );
    }

    #[test]
    fn thresholds_of_test_are_read_and_checked() {
        let spec = spec("test: {latency_p99_ms: 0.5, persistence: any}\n").expect("valid");
        assert_eq!(spec.test.latency_p99_ms.to_string(), "0.5");
        assert_eq!(spec.test.latency_samples, 1000);
        let (cause, hint) = wrong("test:\n  latency_p99: 5\n");
        assert_eq!(cause, "rcluster.yaml:2:3: unknown key `latency_p99`");
        assert_eq!(hint, "did you mean `latency_p99_ms`?");
        assert!(wrong("test: {hit_ratio_percent: -1}\n").0.contains("-1"));
    }

    #[test]
    fn what_comes_later_is_refused_by_name() {
        assert_eq!(
            wrong("tls: true\n").0,
            "rcluster.yaml:1:1: `tls` is not supported yet"
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        for (text, place) in [
            ("version: 1\nshards: many\n", "rcluster.yaml:2:9"),
            ("runtime: dokcer\n", "rcluster.yaml:1:10"),
            ("port: 70000\n", "rcluster.yaml:1:7"),
            ("name: [\n", "rcluster.yaml:"),
            ("shards: 3\nshards: 4\n", "rcluster.yaml:2:1"),
        ] {
            let (cause, _) = wrong(text);
            assert!(cause.starts_with(place), "{text:?}: {cause}");
        }
        assert!(
            wrong("runtime: dokcer\n")
                .1
                .starts_with("did you mean `docker`?")
        );
    }

    #[test]
    fn what_is_there_and_no_file_is_not_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).expect("a folder");
        assert_ne!(
            discover(&below).map(|path| path.starts_with(folder.path())),
            Some(true)
        );
        let path = folder.path().join(NAME);
        let refused = |what: &str| {
            assert_eq!(discover(&below).as_ref(), Some(&path), "{what}");
            let error = read(&path).expect_err(what);
            assert_eq!(error.kind().exit_code(), 2, "{what}");
            error.cause()
        };
        std::os::unix::fs::symlink("nowhere", &path).expect("a link");
        assert!(refused("a link that leads nowhere").contains("No such file"));
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        assert!(refused("a folder").ends_with("it is a folder, not a file"));
        std::fs::remove_dir(&path).expect("removed");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(refused("a pipe").ends_with("it is a pipe, not a file"));
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "#".repeat(2 << 20)).expect("written");
        assert!(refused("a huge file").ends_with("it is larger than 1 MiB"));
    }

    #[test]
    fn what_yaml_is_wrong_is_said_in_plain_words() {
        for (text, wanted) in [
            (
                "redis: {maxmemory: {a: 1}}\n",
                "a directive is a word, a number, yes or no, null, or a list of words",
            ),
            ("listen: here\n", "IP address"),
            ("redis: [a]\n", "here belong keys with values"),
        ] {
            let (cause, _) = wrong(text);
            assert!(cause.contains(wanted), "{text:?}: {cause}");
            assert!(
                !cause.contains("untagged") && !cause.contains("enum"),
                "{text:?}: {cause}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = spec(&text);
        }

        #[test]
        fn nearly_yaml_does_not_panic(text in "[a-z:\\[\\]{}\\-\\n \"'&*!|>#0-9]{0,120}") {
            let _ = spec(&text);
        }
    }
}
