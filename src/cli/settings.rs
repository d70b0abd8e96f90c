//! What was asked for, resolved once: flags over `RCLUSTER_*` environment over spec over defaults.

use super::args::{Global, RuntimeArg, SpecFlags};
use crate::output::screen::tell;
use rcluster_core::{
    error::{Error, Result},
    login::Login,
    node::Endpoint,
    secret::Secret,
    spec::{Auto, PortChoice, RuntimeChoice, Spec},
};
use rcluster_ops::{
    cluster::handle::Request,
    run,
    store::{
        dotenv, spec_file,
        state::{Remembered, State},
    },
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// The spec as it was found, before flags.
struct Base {
    spec: Spec,
    /// Beside which file an `.env` and relative paths are looked for.
    folder: Option<PathBuf>,
    remembered: Option<Remembered>,
}

/// Everything a command on a cluster needs, be it ours or behind seeds.
pub(super) fn request(global: &Global, flags: &SpecFlags) -> Result<Request> {
    let state = State::locate()?;
    if !global.seed.is_empty() {
        return behind_seeds(global, state);
    }
    let Base {
        mut spec,
        folder,
        remembered,
    } = base(global, &state)?;
    override_with(&mut spec, global, flags);
    spec_file::check(&spec)?;
    let password = match (typed_password(global)?, &folder, &remembered) {
        (Some(password), ..) => Some(password),
        // What is remembered of the spec is remembered of its password too, wherever this is run.
        (None, None, Some(_)) => state.password(&spec.name)?,
        (None, folder, _) => match spec_password(global, &spec, folder.as_deref())? {
            Some(password) => Some(password),
            None => state.password(&spec.name)?,
        },
    };
    Ok(Request {
        state,
        spec,
        seeds: Vec::new(),
        remembered,
        login: Login::with(password),
        argv: argv(),
        deadline: deadline(global),
    })
}

/// Of a cluster that rcluster did not start: of a spec that is named or found only the thresholds of
/// `test` count.
fn behind_seeds(global: &Global, state: State) -> Result<Request> {
    let (seeds, login) = seeds(global)?;
    let mut spec = Spec::default();
    if let Some((found, _)) = found(global)? {
        spec.test = found.test;
    }
    Ok(Request {
        state,
        spec,
        seeds,
        remembered: None,
        login,
        argv: argv(),
        deadline: deadline(global),
    })
}

/// A cluster of its own for one command: the spec that is found, else the defaults, under a name
/// and on ports that nobody has.
pub(super) fn fresh(global: &Global, flags: &SpecFlags, command: &[OsString]) -> Result<Request> {
    let state = State::locate()?;
    let found = found(global)?;
    let (mut spec, folder) = match found {
        Some((spec, folder)) => (spec, Some(folder)),
        None => (Spec::default(), None),
    };
    override_with(&mut spec, global, flags);
    if flags.port.is_none() {
        (spec.port, spec.bus_port) = (PortChoice::Auto(Auto::Auto), None);
    }
    let base = global.cluster.as_ref().unwrap_or(&spec.name);
    spec.name = run::name(&state, base);
    spec_file::check(&spec)?;
    let password = password(global, &spec, folder.as_deref())?;
    // The arguments of somebody else's command may be secret.
    let program = command.first().map(|word| word.to_string_lossy());
    let argv = ["rcluster", "run", "--", &program.unwrap_or_default()].map(str::to_owned);
    Ok(Request {
        state,
        spec,
        seeds: Vec::new(),
        remembered: None,
        login: Login::with(password),
        argv: argv.to_vec(),
        deadline: deadline(global),
    })
}

/// The longest wait.
pub(super) fn deadline(global: &Global) -> Duration {
    Duration::from_secs(global.timeout)
}

/// The spec alone, for commands that only render it.
pub(super) fn spec(global: &Global, flags: &SpecFlags) -> Result<(Spec, Option<Secret>)> {
    let state = State::locate()?;
    let Base {
        mut spec, folder, ..
    } = base(global, &state)?;
    override_with(&mut spec, global, flags);
    spec_file::check(&spec)?;
    let password = password(global, &spec, folder.as_deref())?;
    Ok((spec, password))
}

/// A spec file, if one is named or found and is about the cluster that was asked for; else what is
/// remembered of that cluster; else the defaults.
fn base(global: &Global, state: &State) -> Result<Base> {
    let from_file = found(global)?;
    let name = match (&global.cluster, &from_file) {
        (Some(name), _) => name.clone(),
        (None, Some((spec, _))) => spec.name.clone(),
        (None, None) => Spec::default().name,
    };
    let remembered = state.load(&name)?;
    let about_another = |spec: &Spec| global.file.is_none() && spec.name != name;
    let (mut spec, folder) = match (from_file, &remembered) {
        (Some((spec, _)), Some(remembered)) if about_another(&spec) => {
            (remembered.spec.clone(), None)
        }
        (Some((spec, folder)), _) => (spec, Some(folder)),
        (None, Some(remembered)) => (remembered.spec.clone(), None),
        (None, None) => (Spec::default(), None),
    };
    spec.name = name;
    Ok(Base {
        spec,
        folder,
        remembered,
    })
}

/// The spec file that is named, else the nearest one from here upward, and where it lies.
fn found(global: &Global) -> Result<Option<(Spec, PathBuf)>> {
    let found = match &global.file {
        Some(path) => Some(path.clone()),
        None => std::env::current_dir()
            .ok()
            .and_then(|folder| spec_file::discover(&folder)),
    };
    match &found {
        Some(path) => Ok(Some((spec_file::read(path)?, folder_of(path)))),
        None => Ok(None),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn override_with(spec: &mut Spec, global: &Global, flags: &SpecFlags) {
    // Destructured so that a new flag is noticed here.
    let SpecFlags {
        shards,
        replicas,
        port,
        listen,
        access,
        image,
        redis_server,
    } = flags.clone();
    if let Some(runtime) = global.runtime {
        spec.runtime = match runtime {
            RuntimeArg::Auto => RuntimeChoice::Auto,
            RuntimeArg::Docker => RuntimeChoice::Docker,
            RuntimeArg::Process => RuntimeChoice::Process,
        };
    }
    set(&mut spec.shards, shards);
    set(&mut spec.replicas, replicas);
    set(&mut spec.port, port);
    set(&mut spec.listen, listen);
    set(&mut spec.access, access);
    set(&mut spec.image, image);
    set(&mut spec.redis_server, redis_server);
}

/// The flag, if it was given.
pub(super) fn set<T>(field: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *field = value;
    }
}

/// What is typed or in the environment, else what the spec names.
fn password(global: &Global, spec: &Spec, folder: Option<&Path>) -> Result<Option<Secret>> {
    match typed_password(global)? {
        Some(password) => Ok(Some(password)),
        None => spec_password(global, spec, folder),
    }
}

/// `--password-file`, then `REDIS_PASSWORD`.
fn typed_password(global: &Global) -> Result<Option<Secret>> {
    if let Some(path) = &global.password_file {
        return password_file(global, path);
    }
    match std::env::var(dotenv::VARIABLE) {
        Ok(value) if !value.is_empty() => dotenv::parse(&value, dotenv::VARIABLE),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::usage(format!("{} is not UTF-8", dotenv::VARIABLE)))
        }
        _ => Ok(None),
    }
}

/// The spec's `password_file`, then `.env` beside the spec (or here, without one).
fn spec_password(global: &Global, spec: &Spec, folder: Option<&Path>) -> Result<Option<Secret>> {
    if let Some(path) = &spec.password_file {
        // Relative to the spec that names it.
        return password_file(global, &folder.unwrap_or(Path::new(".")).join(path));
    }
    dotenv::password(folder.unwrap_or(Path::new(".")))
}

fn password_file(global: &Global, path: &Path) -> Result<Option<Secret>> {
    let password = dotenv::password_file(path)?;
    if let Some(why) = dotenv::too_open(path).filter(|_| !global.quiet) {
        tell(&format!("warning: {why}"));
    }
    Ok(password)
}

/// Seeds, and as whom they are spoken to: the user that they name, with the password that was given.
fn seeds(global: &Global) -> Result<(Vec<Endpoint>, Login)> {
    let mut endpoints = Vec::new();
    let mut user = None;
    for text in &global.seed {
        let rest = match text.split_once("://") {
            Some(("redis", rest)) => rest,
            Some((scheme, _)) => {
                return Err(
                    Error::usage(format!("seed '{text}': {scheme}:// is not supported"))
                        .hint("write HOST:PORT or redis://USER@HOST:PORT"),
                );
            }
            None => text.as_str(),
        };
        let address = match rest.rsplit_once('@') {
            Some((name, address)) => {
                if name.contains(':') {
                    return Err(Error::usage(
                        "a seed must not hold a password: command lines are readable by others",
                    )
                    .hint("give it by --password-file FILE or REDIS_PASSWORD"));
                }
                user = Some(name.to_owned()).filter(|name| !name.is_empty());
                address
            }
            None => rest,
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        endpoints.push(
            address
                .parse()
                .map_err(|why| Error::usage(format!("seed: {why}")))?,
        );
    }
    let password = password(global, &Spec::default(), None)?;
    Ok((endpoints, Login::of(user, password)))
}

/// What was typed. Nothing on rcluster's command line is secret: passwords come by file or environment.
fn argv() -> Vec<String> {
    let mut argv: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if let Some(program) = argv.first_mut() {
        "rcluster".clone_into(program);
    }
    argv
}
