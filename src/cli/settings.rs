//! Decides what was asked for: flags over `RCLUSTER_*` environment over spec over defaults.

use super::args::{Global, RuntimeArg, SpecFlags};
use crate::output::screen::tell;
use rcluster_core::{
    error::{Error, Result},
    login::Login,
    node::Endpoint,
    secret::Secret,
    spec::{Auto, ClusterName, PortChoice, RuntimeChoice, Spec},
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
    /// The folder of the spec, for an `.env` and relative paths.
    folder: Option<PathBuf>,
    remembered: Option<Remembered>,
}

/// All that a command needs to find a cluster, one of ours or one behind seeds.
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
        // If the spec is the remembered one, its password is remembered too.
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

/// The request for a cluster that rcluster did not start. Of a spec that is named or found, only
/// the thresholds of `test` count.
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

/// The request for a new cluster for one command: by the spec that is found, else the defaults,
/// with a name and ports that no other cluster has.
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
    // The arguments of the command may be secret, so only its name is kept.
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

/// The spec file, if one is named or found and has the name that was asked for; else what is
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

/// The spec file that is named, else the nearest one from here upward.
fn path(global: &Global) -> Option<PathBuf> {
    match &global.file {
        Some(path) => Some(path.clone()),
        None => spec_file::discover(&std::env::current_dir().ok()?),
    }
}

/// That file with its spec and its folder.
fn found(global: &Global) -> Result<Option<(Spec, PathBuf)>> {
    match path(global) {
        Some(path) => Ok(Some((spec_file::read(&path)?, folder_of(&path)))),
        None => Ok(None),
    }
}

/// The spec file of the cluster that is meant; `None`: its spec is only remembered.
pub(super) fn spec_file(global: &Global) -> Result<Option<PathBuf>> {
    let Some(path) = path(global) else {
        return Ok(None);
    };
    let spec = spec_file::read(&path)?;
    let other = |name: &ClusterName| global.file.is_none() && *name != spec.name;
    Ok((!global.cluster.as_ref().is_some_and(other)).then_some(path))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn override_with(spec: &mut Spec, global: &Global, flags: &SpecFlags) {
    // Destructured, so that the compiler points here when there is a new flag.
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

/// The password that was typed or is in the environment, else the one that the spec names.
fn password(global: &Global, spec: &Spec, folder: Option<&Path>) -> Result<Option<Secret>> {
    match typed_password(global)? {
        Some(password) => Ok(Some(password)),
        None => spec_password(global, spec, folder),
    }
}

/// The password of `--password-file`, else `REDIS_PASSWORD`.
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

/// The password of the spec's `password_file`, else of the `.env` beside the spec (or here, without
/// one).
fn spec_password(global: &Global, spec: &Spec, folder: Option<&Path>) -> Result<Option<Secret>> {
    if let Some(path) = &spec.password_file {
        // The path is relative to the spec.
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

/// The seeds, and the login for them: the user that they name, with the password that was given.
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

/// The command line. It holds no secret: passwords come from files or the environment.
fn argv() -> Vec<String> {
    let mut argv: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if let Some(program) = argv.first_mut() {
        "rcluster".clone_into(program);
    }
    argv
}
