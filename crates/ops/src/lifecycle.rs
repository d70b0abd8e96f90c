//! The operations that change a cluster that rcluster started. Each keeps what is remembered of the
//! cluster up to date.
//!
//! What is going to be true is written down before the first step, and corrected after the last, so
//! that the next run can go on if this one is killed.

use super::{
    down, list, reset, restart, rolling, stop,
    up::{self, Extent, Outcome},
};
use crate::cluster::handle::no_such_cluster;
use crate::store::state::{Pending, Remembered};
use crate::{
    cluster::{context::Context, event::Listener, handle::Cluster},
    failover::{give_back, ground::Ground, mend},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::outline::Restored,
    node::NodeName,
    plan::start,
    spec::launch::Launch,
};

/// `up`, `start` and `init` of a cluster of ours.
pub async fn up(session: &Cluster, listener: &dyn Listener, extent: Extent) -> Result<Outcome> {
    let end = match extent {
        Extent::Start(_) => End::Open,
        Extent::Form | Extent::All => End::Settled,
    };
    let whole = extent == Extent::All;
    let outcome = resumed(session, listener, end, (whole, whole), async |context| {
        let (launch, password) = (&session.launch, session.password());
        Box::pin(up::up(&context, launch, before(session), password, extent)).await
    });
    let outcome = outcome.await;
    if let Err(error) = &outcome {
        forget_nothing(session, error).await;
    }
    outcome
}

/// A change, after whatever a killed run left has been finished. With `whole`, the masters from
/// before a killed drill lead again at the end. Only what `resizes` may follow a spec of another size.
async fn resumed(
    session: &Cluster,
    listener: &dyn Listener,
    end: End,
    (whole, resizes): (bool, bool),
    change: impl AsyncFnOnce(Context<'_>) -> Result<Outcome>,
) -> Result<Outcome> {
    journaled(session, async {
        if !resizes {
            refuse_resizing(session)?;
        }
        let drill = session.request.state.drill(&session.launch.name)?;
        let finished =
            finish(session, listener).await? + mend(session, listener, drill.as_ref()).await?;
        let outcome = part(session, listener, None, end, change).await?;
        let given_back = match &drill {
            Some(intent) if whole => give_back(session, listener, intent).await?,
            _ => 0,
        };
        Ok(outcome.after(finished + given_back))
    })
    .await
}

/// Puts right what a killed drill left, before another drill notes which masters there are, or a
/// planned failover makes other nodes lead.
pub async fn finish_drill(session: &Cluster, listener: &dyn Listener) -> Result<()> {
    let state = &session.request.state;
    if state.drill(&session.launch.name)?.is_some() {
        up(session, listener, Extent::All).await?;
    }
    Ok(())
}

/// Thaws and reconnects what a killed drill froze or cut off, before the nodes are asked anything.
async fn mend(
    session: &Cluster,
    listener: &dyn Listener,
    drill: Option<&Restored>,
) -> Result<usize> {
    match drill {
        Some(intent) => mend::release(&Ground::of(session, listener), intent).await,
        None => Ok(0),
    }
}

/// Forgets an interrupted drill or rolling restart: nothing of it is left to do.
fn forget_interrupted(session: &Cluster) -> Result<()> {
    let (state, name) = (&session.request.state, &session.launch.name);
    state.note_drill(name, None)?;
    state.note_rolling(name, None)
}

/// Makes the masters from before that drill lead again, and forgets it.
async fn give_back(session: &Cluster, listener: &dyn Listener, intent: &Restored) -> Result<usize> {
    let done = give_back::give_back(&Ground::of(session, listener), intent).await?;
    let state = &session.request.state;
    state.note_drill(&session.launch.name, None)?;
    Ok(done)
}

/// `restart`.
pub async fn restart(
    session: &Cluster,
    listener: &dyn Listener,
    only: &[NodeName],
) -> Result<Outcome> {
    resumed(
        session,
        listener,
        End::Settled,
        (true, false),
        async |context| {
            let (launch, password) = (&session.launch, session.password());
            let outcome =
                restart::restart(&context, launch, before(session), password, only).await?;
            if only.is_empty() {
                // Every node was restarted now, so nothing of a rolling restart is left to do.
                session.request.state.note_rolling(&launch.name, None)?;
            }
            Ok(outcome)
        },
    )
    .await
}

/// `restart --rolling`. If an earlier one (or a drill) was interrupted, what it left down is
/// started first.
pub async fn rolling(session: &Cluster, listener: &dyn Listener) -> Result<Outcome> {
    if rolling::is_interrupted(session, listener)? {
        up(session, listener, Extent::All).await?;
    }
    rolling::rolling(session, listener).await
}

/// `reset`: every node is emptied and formed anew.
pub async fn reset(session: &Cluster, listener: &dyn Listener) -> Result<Outcome> {
    refuse_unknown(session).await?;
    if !session.launch.leaving.nodes.is_empty() {
        // They would be left over.
        refuse_resizing(session)?;
    }
    journaled(session, async {
        let drill = session.request.state.drill(&session.launch.name)?;
        let removed = finish_removal(session, listener).await?
            + mend(session, listener, drill.as_ref()).await?;
        let emptied = empty(session, listener).await?;
        let outcome = part(session, listener, None, End::Settled, async |context| {
            let (launch, password) = (&session.launch, session.password());
            up::up(&context, launch, before(session), password, Extent::Form).await
        })
        .await?;
        if let Some(intent) = &drill {
            mend::put_settings_back(&Ground::of(session, listener), intent).await?;
        }
        forget_interrupted(session)?;
        Ok(outcome.after(removed + emptied))
    })
    .await
}

/// `reset --hard`: nodes, network and data are removed and made anew.
pub async fn reset_hard(session: &Cluster, listener: &dyn Listener) -> Result<Outcome> {
    refuse_unknown(session).await?;
    journaled(session, async {
        let removed = remove(session, listener).await?;
        forget_interrupted(session)?;
        let outcome = part(session, listener, None, End::Settled, async |context| {
            let (launch, password) = (&session.launch, session.password());
            up::up(&context, launch, None, password, Extent::All).await
        })
        .await?;
        Ok(outcome.after(removed))
    })
    .await
}

/// `stop`.
pub async fn stop(session: &Cluster, listener: &dyn Listener, only: &[NodeName]) -> Result<usize> {
    journaled(session, async {
        // The drill is still remembered: its masters lead again at the next `up`.
        let drill = session.request.state.drill(&session.launch.name)?;
        mend(session, listener, drill.as_ref()).await?;
        stop::stop(&session.context(listener), &session.launch.name, only).await
    })
    .await
}

/// `down`; with `volumes` the cluster is forgotten.
pub async fn down(session: &Cluster, listener: &dyn Listener, volumes: bool) -> Result<usize> {
    let name = &session.launch.name;
    if is_unknown(session).await? {
        // There is no node, but there may be data that was kept.
        return if session.runtime.retire(name, volumes).await? {
            Ok(0)
        } else {
            Err(no_such_cluster(name))
        };
    }
    if !volumes {
        return journaled(session, async {
            let removed = down::down(&session.context(listener), name, false).await?;
            // The nodes that were broken are gone.
            forget_interrupted(session)?;
            Ok(removed)
        })
        .await;
    }
    let removed = journaled(session, remove(session, listener)).await?;
    session.request.state.forget(name)?;
    Ok(removed)
}

/// Whether there is neither a node of it nor anything remembered.
async fn is_unknown(session: &Cluster) -> Result<bool> {
    let name = &session.launch.name;
    // The state is read again, because `run` writes down what it is about to make.
    Ok(session.request.state.load(name)?.is_none() && session.runtime.list(name).await?.is_empty())
}

async fn refuse_unknown(session: &Cluster) -> Result<()> {
    if is_unknown(session).await? {
        Err(no_such_cluster(&session.launch.name))
    } else {
        Ok(())
    }
}

/// Finishes a destruction that was confirmed and begun, before anything else is done.
async fn finish(session: &Cluster, listener: &dyn Listener) -> Result<usize> {
    if pending(session) == Some(Pending::Reset) {
        session
            .context(listener)
            .note("a reset was interrupted: finishing it");
        return empty(session, listener).await;
    }
    finish_removal(session, listener).await
}

async fn finish_removal(session: &Cluster, listener: &dyn Listener) -> Result<usize> {
    if pending(session) != Some(Pending::Removal) {
        return Ok(0);
    }
    session
        .context(listener)
        .note("a removal was interrupted: finishing it");
    remove(session, listener).await
}

/// Starts all nodes and empties them. The reset is remembered as pending only while nodes are
/// emptied: a reset that is refused before, or fails afterwards, must not delete data in a later
/// run.
async fn empty(session: &Cluster, listener: &dyn Listener) -> Result<usize> {
    let (launch, password) = (&session.launch, session.password());
    let meanwhile = pending(session).filter(|pending| *pending == Pending::Reset);
    let started = part(
        session,
        listener,
        meanwhile,
        End::Pending,
        async |context| reset::start(&context, launch, password).await,
    )
    .await?;
    let emptied = part(
        session,
        listener,
        Some(Pending::Reset),
        End::Open,
        async |context| reset::empty(&context, launch, password).await,
    )
    .await?;
    Ok(started + emptied)
}

/// Removes the nodes, what they shared, and their data.
async fn remove(session: &Cluster, listener: &dyn Listener) -> Result<usize> {
    part(
        session,
        listener,
        Some(Pending::Removal),
        End::Pending,
        async |context| down::down(&context, &session.launch.name, true).await,
    )
    .await
}

/// Refuses another number of nodes, unless they are about to be emptied or removed anyway.
fn refuse_resizing(session: &Cluster) -> Result<()> {
    match pending(session) {
        Some(_) => Ok(()),
        None => start::refuse_resizing(&session.launch, session.before.as_ref()),
    }
}

fn pending(session: &Cluster) -> Option<Pending> {
    session.request.remembered.as_ref()?.pending
}

/// The launch that was last applied to the nodes that exist.
fn before(session: &Cluster) -> Option<&Launch> {
    session
        .before
        .as_ref()
        .filter(|_| pending(session) != Some(Pending::Removal))
}

/// What is remembered after a part of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// What was pending stays pending.
    Pending,
    /// Nothing is pending, but nodes may still run by the previous spec.
    Open,
    /// The spec is applied.
    Settled,
}

/// Runs a part of a change. What it leads to is remembered before its first step.
async fn part<T>(
    session: &Cluster,
    listener: &dyn Listener,
    meanwhile: Option<Pending>,
    end: End,
    change: impl AsyncFnOnce(Context<'_>) -> Result<T>,
) -> Result<T> {
    let before = || remember(session, meanwhile, false);
    let mut context = session.context(listener);
    context.remember = Some(&before);
    let outcome = change(context).await?;
    if end != End::Pending {
        remember(session, None, end == End::Settled)?;
    }
    Ok(outcome)
}

/// A cluster of which nothing was made is not remembered, nor is its empty network left: there would be
/// nothing to bring back. What this cannot do `down --volumes` does.
async fn forget_nothing(session: &Cluster, error: &Error) {
    let (runtime, launch) = (&*session.runtime, &session.launch);
    let new = session.request.remembered.is_none() && error.kind() != Kind::Interrupted;
    if !new
        || !runtime
            .list(&launch.name)
            .await
            .is_ok_and(|placed| placed.is_empty())
    {
        return;
    }
    let kept = list::has_data(runtime, launch).await;
    if kept.is_ok_and(|kept| !kept) && runtime.retire(&launch.name, false).await.is_ok() {
        let _ = session.request.state.forget(&launch.name);
    }
}

async fn journaled<T>(session: &Cluster, work: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = work.await;
    session.journal().end(&outcome)?;
    outcome
}

/// Remembers a cluster before anything of it is made, so that no other run chooses its ports.
pub fn promise(session: &Cluster) -> Result<()> {
    remember(session, None, false)
}

/// Remembers the cluster as it is going to be, with its rendered files.
fn remember(session: &Cluster, pending: Option<Pending>, settled: bool) -> Result<()> {
    let Cluster {
        request, launch, ..
    } = session;
    let first_port = launch.nodes.first().map_or(1, |node| node.port);
    let mut remembered = Remembered::new(&request.spec, launch.runtime, first_port);
    remembered.pending = pending;
    let noted = || request.remembered.as_ref()?.engine.clone();
    remembered.engine = session.engine.clone().or_else(noted);
    if !launch.can.containers {
        remembered.engine = None;
    }
    if !settled {
        let applied = request.remembered.as_ref().map(Remembered::applied);
        remembered.previous = applied
            .filter(|applied| **applied != request.spec)
            .cloned()
            .map(Box::new);
        remembered.keep_data = remembered.previous.is_some() && launch.leaving.keep_data;
    }
    let unchanged = request.state.load(&launch.name)?.as_ref() == Some(&remembered)
        && request.state.password(&launch.name)?.as_ref() == session.password();
    if unchanged {
        return Ok(());
    }
    request
        .state
        .save_password(&launch.name, session.password())?;
    request.state.save_files(launch, session.password())?;
    request.state.save(&remembered)
}
