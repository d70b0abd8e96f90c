//! What `env` prints, run by those it is printed for, against a cluster with an odd password.

use super::own::{Own, Said};
use crate::rig::skip;
use std::path::Path;

const PASSWORD: &str = "it's \"#1\" $x";

/// What a cache of Django's promises, key by key and over several slots.
const DJANGO: &str = r#"
from django.conf import settings
from redis_cluster_cache import CACHES
settings.configure(CACHES=CACHES)
import django, threading
django.setup()
from django.core.cache import cache
import redis_cluster_cache

cache.set("a", {"x": [1]}, 30)
assert cache.get("a") == {"x": [1]}
assert cache.add("a", 2) is False and cache.add("new", 2) is True
cache.set_many({f"k{i}": i for i in range(50)}, 60)
assert cache.get_many([f"k{i}" for i in range(60)]) == {f"k{i}": i for i in range(50)}
assert cache.get_many([]) == {}
assert cache.incr("k1", 5) == 6 and cache.decr("k1") == 5
assert cache.touch("k2", 100) and cache.has_key("k2") and "nope" not in cache
assert cache.get("nope", "otherwise") == "otherwise"
try:
    cache.incr("nope")
    raise SystemExit("a key that is not there was counted")
except ValueError:
    pass
cache.delete_many(["k3", "k4"])
assert cache.get("k3") is None and cache.get("k4") is None
assert cache.delete("k5") and not cache.delete("k5")
cache.set("gone", 1, 0)
cache.set_many({"gone too": 1}, 0)
assert cache.get("gone") is None and cache.get("gone too") is None
cache.set("forever", 1, None)
cache.set_many({"forever too": 1}, None)
assert cache.get("forever") == 1 and cache.get("forever too") == 1
assert cache.get_or_set("lazy", lambda: 7) == 7
cache.set("v", 1, version=2)
assert cache.get("v") is None and cache.get("v", version=2) == 1
thread = threading.Thread(target=lambda: cache.set("thread", 1))
thread.start()
thread.join()
assert cache.get("thread") == 1
assert len(redis_cluster_cache._clusters) == 1, "one client per process"
cache.clear()
assert cache.get("k10") is None
print("django", django.__version__)
"#;

#[test]
fn snippets_do_what_they_say() {
    let Some(own) = Own::processes("ev-env") else {
        return;
    };
    let own = own.with_password(PASSWORD);
    own.done(&["up", "--port", "22600"]);
    variables(&own);
    rust(&own);
    redis_cli(&own);
    let Some(python) = std::env::var_os("RCLUSTER_TEST_PYTHON") else {
        skip(
            "ev-env",
            "RCLUSTER_TEST_PYTHON names no python with redis-py",
        );
        return;
    };
    python_snippet(&own, Path::new(&python));
    django_snippet(&own, Path::new(&python));
}

/// Variables are read back by a shell, and the password shows only where it was asked for.
fn variables(own: &Own) {
    for format in [
        "dotenv",
        "shell",
        "json",
        "python",
        "django",
        "node",
        "java",
        "go",
        "rust",
        "redis-cli",
    ] {
        let text = own.done(&["env", "--format", format]);
        assert!(!text.contains("it's") && text.contains("22600"), "{text}");
    }
    let document = own.json(&["env"]);
    assert_eq!(document["needs_password"], true);
    assert_eq!(
        document["variables"]["REDIS_PASSWORD"],
        serde_json::Value::Null
    );
    let shown = own.json(&["env", "--show-secrets"]);
    assert_eq!(shown["variables"]["REDIS_PASSWORD"], PASSWORD);
    for args in [
        &["env", "--format", "shell"][..],
        &["env", "--format", "shell", "--show-secrets"],
    ] {
        let script = own.done(args) + "printf %s \"$REDIS_PASSWORD\"";
        let output = own
            .command("sh")
            .env_remove("REDIS_PASSWORD")
            .args(["-c", &script])
            .output();
        assert_eq!(Said::of(&output.unwrap()).out, PASSWORD, "{args:?}");
    }
    assert_eq!(
        own.say(&["env", "--format", "go", "--show-secrets"]).code,
        2
    );
    let seeded = own.done(&["env", "--seed", "127.0.0.1:22603"]);
    assert!(
        seeded.contains("REDIS_CLUSTER_NODES=127.0.0.1:22600,127.0.0.1:22601,"),
        "{seeded}"
    );
}

fn rust(own: &Own) {
    let example = Path::new(env!("CARGO_BIN_EXE_rcluster"))
        .parent()
        .unwrap()
        .join("examples/env_rust");
    if !example.is_file() {
        skip(
            "ev-env",
            "examples/env_rust is not built: cargo build --examples",
        );
        return;
    }
    let nodes = own.json(&["env"])["variables"]["REDIS_CLUSTER_NODES"].clone();
    let mut command = own.command(example);
    command.env("REDIS_CLUSTER_NODES", nodes.as_str().unwrap());
    let said = Said::of(&command.output().unwrap());
    assert_eq!((said.code, said.out.trim()), (0, "world"), "{said:?}");
}

fn redis_cli(own: &Own) {
    let script = own.done(&["env", "--format", "redis-cli"]);
    let script = format!("{} ping", script.trim_end());
    let said = Said::of(&own.command("sh").args(["-c", &script]).output().unwrap());
    assert_eq!(said.out.trim(), "PONG", "{said:?}");
}

fn python_snippet(own: &Own, python: &Path) {
    let path = own.path().join("hello.py");
    std::fs::write(&path, own.done(&["env", "--format", "python"])).unwrap();
    let said = Said::of(&own.command(python).arg(&path).output().unwrap());
    assert_eq!(said.out.trim(), "world from slot 15178", "{said:?}");
}

fn django_snippet(own: &Own, python: &Path) {
    let has = own.command(python).args(["-c", "import django"]).output();
    if !has.unwrap().status.success() {
        skip("ev-env", "RCLUSTER_TEST_PYTHON has no django");
        return;
    }
    let module = own.done(&["env", "--format", "django"]);
    std::fs::write(own.path().join("redis_cluster_cache.py"), module).unwrap();
    let path = own.path().join("try.py");
    std::fs::write(&path, DJANGO).unwrap();
    let said = Said::of(&own.command(python).arg(&path).output().unwrap());
    assert!(
        said.code == 0 && said.out.starts_with("django "),
        "{said:?}"
    );
}
