//! The terminal: it is taken over, and restored however the monitor ends.

use super::{state::State, view};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent, KeyEventKind},
};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How often the thread that reads keys looks whether it is still needed.
const NAP: Duration = Duration::from_millis(500);

pub(super) enum Told {
    /// A key went down.
    Key(KeyEvent),
    /// It has another size.
    Resized,
}

/// A terminal in raw mode on its alternate screen, until this is dropped. A panic restores it
/// first, so that its message can be read.
pub(super) struct Terminal {
    inner: DefaultTerminal,
    leaving: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal over. Keys and changes of its size come through the channel.
    pub(super) fn enter() -> Result<(Self, UnboundedReceiver<Told>)> {
        let inner = ratatui::try_init().map_err(|error| {
            Error::failed("taking over the terminal")
                .source(error)
                .hint(hint![Verb::Monitor.with("--plain"), " needs none"])
        })?;
        let leaving = Arc::new(AtomicBool::new(false));
        let (sender, told) = unbounded_channel();
        let done = leaving.clone();
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                match event::poll(NAP) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(_) => return,
                }
                let told = match event::read() {
                    Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Told::Key(key),
                    Ok(Event::Resize(..)) => Told::Resized,
                    Ok(_) => continue,
                    Err(_) => return,
                };
                if sender.send(told).is_err() {
                    return;
                }
            }
        });
        Ok((Terminal { inner, leaving }, told))
    }

    pub(super) fn draw(&mut self, state: &State) -> Result<()> {
        self.inner
            .draw(|frame| view::draw(frame, state))
            .map_err(|error| Error::failed("drawing").source(error))?;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
        // The panic hook has restored the terminal already; doing it again would overwrite the
        // message.
        if std::thread::panicking() {
            return;
        }
        // If the terminal went away there is nothing to restore.
        let _ = ratatui::try_restore();
    }
}
