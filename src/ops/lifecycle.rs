//! The operations that change a cluster of ours, with what is remembered of it kept in step.
//!
//! What is about to be true is written down before the first change and corrected after the last,
//! so that a run killed in between leaves enough for the next one to go on from.

use super::{
    down, drill,
    event::Listener,
    reset, restart,
    session::Session,
    stop,
    up::{self, Extent, Outcome},
};
use crate::{
    error::Result,
    model::{launch::Launch, node::NodeName, spec::RuntimeKind},
    render,
    store::state::{Pending, Remembered},
};
use serde_json::json;

/// `up`, `start` and `init` of a cluster of ours.
pub async fn up(session: &Session, listener: &dyn Listener, extent: Extent) -> Result<Outcome> {
    finish_removal(session, listener).await?;
    if pending(session) == Some(Pending::Reset) {
        session
            .context(listener)
            .note("a reset was interrupted: finishing it");
        return reset(session, listener).await;
    }
    let drill = session.request.state.drill(&session.launch.name)?;
    let mended = match &drill {
        Some(intent) => {
            let context = session.context(listener);
            drill::run::finish(&context, &session.launch, intent).await?
        }
        None => 0,
    };
    let whole = extent == Extent::All;
    let outcome = changing(session, listener, None, async |context| {
        up::up(
            &context,
            &session.launch,
            before(session),
            session.password(),
            extent,
        )
        .await
    })
    .await?;
    let given_back = match &drill {
        Some(intent) if whole => {
            let context = session.context(listener);
            let done = drill::run::give_back(&context, session, intent).await?;
            session
                .request
                .state
                .note_drill(&session.launch.name, None)?;
            done
        }
        _ => 0,
    };
    Ok(Outcome {
        changes: outcome.changes + mended + given_back,
        ..outcome
    })
}

/// `restart`.
pub async fn restart(
    session: &Session,
    listener: &dyn Listener,
    only: &[NodeName],
) -> Result<Outcome> {
    finish_removal(session, listener).await?;
    changing(session, listener, None, async |context| {
        restart::restart(
            &context,
            &session.launch,
            before(session),
            session.password(),
            only,
        )
        .await
    })
    .await
}

/// `reset`: every node is emptied and formed anew.
pub async fn reset(session: &Session, listener: &dyn Listener) -> Result<Outcome> {
    finish_removal(session, listener).await?;
    remember(session, Some(Pending::Reset))?;
    changing(session, listener, Some(Pending::Reset), async |context| {
        reset::reset(
            &context,
            &session.launch,
            before(session),
            session.password(),
        )
        .await
    })
    .await
}

/// `reset --hard`: nodes, network and data are removed and made anew.
pub async fn reset_hard(session: &Session, listener: &dyn Listener) -> Result<Outcome> {
    remember(session, Some(Pending::Removal))?;
    journaled(session, async {
        down::down(&session.context(listener), &session.launch.name, true).await
    })
    .await?;
    remember(session, None)?;
    changing(session, listener, None, async |context| {
        up::up(
            &context,
            &session.launch,
            None,
            session.password(),
            Extent::All,
        )
        .await
    })
    .await
}

/// `stop`.
pub async fn stop(session: &Session, listener: &dyn Listener, only: &[NodeName]) -> Result<usize> {
    journaled(session, async {
        stop::stop(&session.context(listener), &session.launch.name, only).await
    })
    .await
}

/// `down`; with `volumes` the cluster is forgotten.
pub async fn down(session: &Session, listener: &dyn Listener, volumes: bool) -> Result<usize> {
    let state = &session.request.state;
    let name = &session.launch.name;
    if let (true, Some(remembered)) = (volumes, &session.request.remembered) {
        state.save(&Remembered {
            pending: Some(Pending::Removal),
            ..remembered.clone()
        })?;
    }
    let removed = journaled(session, async {
        down::down(&session.context(listener), name, volumes).await
    })
    .await?;
    if volumes {
        state.forget(name)?;
    }
    Ok(removed)
}

/// A removal that was confirmed and begun is finished before anything else is done.
async fn finish_removal(session: &Session, listener: &dyn Listener) -> Result<()> {
    if pending(session) != Some(Pending::Removal) {
        return Ok(());
    }
    let context = session.context(listener);
    context.note("a removal was interrupted: finishing it");
    down::down(&context, &session.launch.name, true)
        .await
        .map(drop)
}

fn pending(session: &Session) -> Option<Pending> {
    session.request.remembered.as_ref()?.pending
}

/// The launch that was applied last to the nodes that there are.
fn before(session: &Session) -> Option<&Launch> {
    session
        .before
        .as_ref()
        .filter(|_| pending(session) != Some(Pending::Removal))
}

/// Runs a change: what is to be true is remembered first, the outcome is journaled.
async fn changing(
    session: &Session,
    listener: &dyn Listener,
    meanwhile: Option<Pending>,
    change: impl AsyncFnOnce(super::context::Context<'_>) -> Result<Outcome>,
) -> Result<Outcome> {
    let before = || remember(session, meanwhile);
    let mut context = session.context(listener);
    context.remember = Some(&before);
    let outcome = journaled(session, async { change(context).await }).await?;
    remember(session, None)?;
    Ok(outcome)
}

async fn journaled<T>(session: &Session, work: impl Future<Output = Result<T>>) -> Result<T> {
    let journal = session.journal();
    let outcome = work.await;
    match &outcome {
        Ok(_) => journal.write("done", json!({ "cluster": session.launch.name }))?,
        Err(error) => {
            // The error is what matters; a journal that cannot be written must not hide it.
            let _ = journal.write(
                "failed",
                json!({ "kind": error.kind().word(), "cause": error.cause() }),
            );
        }
    }
    outcome
}

/// Writes down the cluster as it is to be, and its rendered files.
fn remember(session: &Session, pending: Option<Pending>) -> Result<()> {
    let Session {
        request, launch, ..
    } = session;
    let first_port = launch.nodes.first().map_or(1, |node| node.port);
    let mut remembered = Remembered::new(&request.spec, launch.runtime, first_port);
    remembered.pending = pending;
    let unchanged = request.state.load(&launch.name)?.as_ref() == Some(&remembered)
        && request.state.password(&launch.name)?.as_ref() == session.password();
    if unchanged {
        return Ok(());
    }
    request
        .state
        .save_password(&launch.name, session.password())?;
    if launch.runtime == RuntimeKind::Docker {
        for file in render::files(launch, session.password())? {
            request
                .state
                .save_rendered(&launch.name, &file.name, &file.text)?;
        }
    }
    request.state.save(&remembered)
}
