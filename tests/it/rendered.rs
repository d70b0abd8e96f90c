//! What is rendered: `compose/` has to equal the templates, and presets have to do what they say.

use rcluster_core::{
    hint::About,
    render::{self, Place},
    secret::Secret,
    spec::{PortChoice, RuntimeChoice, RuntimeKind, Spec, default_directives, launch::Launch},
};
use std::{collections::BTreeSet, fs, path::Path};

/// Passwords that have broken configuration files. Together they have every printable ASCII
/// character.
pub(crate) const NASTY: &[&str] = &[
    "plain",
    " leading and trailing ",
    "  ",
    "#",
    "a#b #c",
    "it's",
    "'",
    "''",
    "'quoted'",
    "\"",
    "\"quoted\"",
    "a\"b'c",
    "\\",
    "\\\\",
    "ends with \\",
    "ends with \\\\",
    "\\\"",
    "\\x41\\n\\t\\r\\a",
    "%s%n{0}{{x}}{% if %}",
    "$HOME ${HOME} $(id) `id`",
    "it's $HOME ${HOME} \\$x",
    "it's `id` \\` \\",
    "'`\\'`\\",
    "!history !!",
    "a;b&c|d<e>f*g?[h]~",
    "user:pass@host:1/2?3",
    "yes",
    "\u{e9}\u{df}\u{f1} \u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c} \u{5bc6}\u{7801} \u{1f511}",
    "\u{a0}\u{2028}\u{feff}",
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
];

/// A preset as `rcluster -f` reads it, with its directives over the defaults.
pub(crate) fn preset(name: &str) -> Spec {
    let preset = render::presets().iter().find(|preset| preset.name == name);
    let mut spec: Spec = serde_yaml::from_str(preset.unwrap().text).unwrap();
    let mut redis = default_directives();
    redis.extend(spec.redis);
    spec.redis = redis;
    spec
}

fn launch(spec: &Spec, auto: RuntimeKind) -> Launch {
    let runtime = match spec.runtime {
        RuntimeChoice::Docker => RuntimeKind::Docker,
        RuntimeChoice::Process => RuntimeKind::Process,
        _ => auto,
    };
    let PortChoice::First(first) = spec.port else {
        panic!("presets name their ports")
    };
    Launch::new(spec, runtime, first)
}

#[test]
fn compose_folder_is_the_default_spec_rendered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose");
    let files = render::files(&launch(&Spec::default(), RuntimeKind::Docker), None).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for file in &files {
            fs::write(folder.join(&file.name), &file.text).unwrap();
        }
    }
    let names: BTreeSet<_> = files.iter().map(|file| file.name.clone()).collect();
    let there: BTreeSet<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let hint = "run `UPDATE=1 cargo test --test it compose_folder` and look at the difference";
    assert_eq!(there, names, "{hint}");
    for file in files {
        let text = fs::read_to_string(folder.join(&file.name)).unwrap();
        assert!(text == file.text, "compose/{} differs: {hint}", file.name);
    }
}

#[test]
fn files_are_those_of_the_runtime_and_secret_with_a_password() {
    let names = |runtime, password: &str| -> Vec<String> {
        let password = Secret::parse(password).unwrap();
        let files = render::files(&launch(&Spec::default(), runtime), password.as_ref()).unwrap();
        let mark = |secret| if secret { " (secret)" } else { "" };
        let files = files.into_iter().skip(5);
        files
            .map(|file| format!("{}{}", file.name, mark(file.secret)))
            .collect()
    };
    assert_eq!(
        names(RuntimeKind::Docker, "x"),
        [
            "redis-6384.conf (secret)",
            "docker-compose.yml",
            ".env (secret)"
        ]
    );
    assert_eq!(names(RuntimeKind::Process, ""), ["redis-6384.conf", ".env"]);
}

#[test]
fn presets_are_valid_specs() {
    for preset in render::presets() {
        let spec = self::preset(preset.name);
        assert_eq!(spec.problems(), [], "{}", preset.name);
        assert!(preset.text.ends_with('\n') && preset.text.starts_with("# rcluster.yaml: "));
    }
}

#[test]
fn the_default_preset_is_the_defaults_written_out() {
    let text = render::presets()[0].text;
    let written: Spec = serde_yaml::from_str(text).unwrap();
    assert_eq!(written, Spec::default());
    let keys: BTreeSet<String> = keys(&serde_yaml::from_str(text).unwrap());
    let all = serde_json::to_value(Spec::default()).unwrap();
    assert_eq!(keys, self::keys(&all), "every key is shown");
}

fn keys(map: &serde_json::Value) -> BTreeSet<String> {
    map.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_other_presets_are_what_the_design_says() {
    let dev = launch(&preset("dev"), RuntimeKind::Docker);
    assert_eq!(dev.runtime, RuntimeKind::Process);
    let ports: Vec<u16> = dev.nodes.iter().map(|node| node.port).collect();
    assert_eq!(ports, [7000, 7001, 7002, 7003, 7004, 7005]);

    let external = preset("external");
    let ports: Vec<u16> = launch(&external, RuntimeKind::Docker)
        .nodes
        .iter()
        .map(|node| node.port)
        .collect();
    assert_eq!((ports, external.replicas), (vec![7001, 7002, 7003], 0));

    let network = preset("network");
    assert!(network.password_file.is_some());
    let endpoints = render::endpoints(&launch(&network, RuntimeKind::Process));
    let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let wanted: Vec<String> = (1..=6).map(|n| format!("redis-cluster-{n}:6379")).collect();
    assert_eq!(endpoints, wanted);
}

#[test]
fn the_conf_of_a_node_under_each_preset() {
    for preset in render::presets() {
        let launch = launch(&self::preset(preset.name), RuntimeKind::Docker);
        let place = match launch.runtime {
            RuntimeKind::Docker => Place::Container,
            RuntimeKind::Process | RuntimeKind::External => {
                Place::Folder(Path::new("/state/dev/nodes/node-1"))
            }
        };
        let password = match preset.name {
            "network" => Secret::parse("a \"nasty\" #\\ pässword").unwrap(),
            _ => None,
        };
        let conf = render::redis_conf(&launch, &launch.nodes[0], place, password.as_ref());
        insta::assert_snapshot!(format!("conf_{}", preset.name), conf.unwrap());
    }
}

#[test]
fn what_render_writes_for_processes() {
    let password = Secret::parse("it's #1").unwrap();
    let files = render::files(
        &launch(&preset("dev"), RuntimeKind::Process),
        password.as_ref(),
    )
    .unwrap();
    insta::assert_snapshot!("process_conf", files[0].text);
    insta::assert_snapshot!("process_dotenv", files.last().unwrap().text);
}

#[test]
fn the_compose_file_of_the_network_preset() {
    let launch = launch(&preset("network"), RuntimeKind::Docker);
    insta::assert_snapshot!("compose_network", render::compose(&launch).unwrap());
}

/// A shell reads back what was typed, and the lines before it in the file are not harmed.
#[cfg(unix)]
#[test]
fn a_shell_reads_back_every_password() {
    let launch = launch(&Spec::default(), RuntimeKind::Docker);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("env");
    for typed in NASTY {
        let password = Secret::parse(typed).unwrap();
        fs::write(&file, render::dotenv(&launch, password.as_ref()).unwrap()).unwrap();
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                r#". "$0"; printf %s "$REDIS_CLUSTER_ENABLED:$REDIS_PASSWORD""#,
            ])
            .arg(&file)
            .output()
            .unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read, format!("True:{typed}"));
        assert!(output.stderr.is_empty());
    }
}

/// What `env` prints of the default cluster on processes.
fn snippet(format: render::env::Format) -> String {
    let launch = Launch::new(&Spec::default(), RuntimeKind::Process, 6379);
    let client = render::env::Client {
        cluster: launch.name.as_str(),
        about: About::of(launch.name.as_str(), launch.runtime),
        nodes: &render::endpoints(&launch),
        user: None,
        password: true,
        secret: None,
        password_file: None,
        notes: &render::env::notes(&launch),
    };
    render::env::env(format, &client).unwrap()
}

#[test]
fn snippets_are_as_they_were_looked_at() {
    for format in render::env::Format::ALL {
        insta::assert_snapshot!(format!("env_{}", format.word()), snippet(format));
    }
}

#[test]
fn the_rust_snippet_is_the_one_that_is_compiled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/env_rust/snippet.rs");
    let rendered = snippet(render::env::Format::Rust);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        fs::write(&path, &rendered).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, rendered, "INSTA_UPDATE=always writes it anew");
}
