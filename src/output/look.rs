//! `key` and `history` for a person.

use super::table::plain;
use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};
use console::style;
use rcluster_core::text::{count::count, shell::quoted};
use rcluster_ops::{
    history::{History, Run},
    key::{Keys, Placement, Server},
};
use std::fmt::Write as _;

/// A paragraph for each key.
pub fn keys(found: &Keys) -> String {
    let mut text = String::new();
    for placement in &found.keys {
        text.push_str(&one_key(placement, found.cluster.is_some()));
    }
    let named = found.keys.iter().filter(|it| it.key.is_some()).count();
    if named > 1 && named == found.keys.len() {
        text.push_str(if found.one_slot {
            "\nall in one slot: commands of many keys, transactions and scripts may take them together\n"
        } else {
            "\nin different slots: no command takes them together; a common {tag} in their names puts them in one\n"
        });
    }
    text
}

fn one_key(placement: &Placement, asked: bool) -> String {
    let mut text = match &placement.key {
        Some(key) => format!("{}  slot {}\n", style(key).bold(), placement.slot),
        None => format!("{}\n", style(format!("slot {}", placement.slot)).bold()),
    };
    match &placement.hash_tag {
        Some(tag) => {
            let _ = writeln!(text, "  hashed    {}", tag.explain());
        }
        None => {
            let _ = writeln!(
                text,
                "  tag       keys with {{{}}} are in this slot",
                placement.tag_for_slot
            );
        }
    }
    match (placement.shard, &placement.master) {
        (Some(shard), Some(master)) => {
            let _ = writeln!(text, "  shard     {shard}");
            let _ = writeln!(text, "  master    {}", server(master));
            for replica in &placement.replicas {
                let _ = writeln!(text, "  replica   {}", server(replica));
            }
        }
        (Some(shard), None) => {
            let _ = writeln!(text, "  shard     {shard}, whose master nobody knows");
        }
        (None, _) if asked => {
            let lost = style("nobody serves this slot").red();
            let _ = writeln!(text, "  shard     {lost}; `rcluster status` says why");
        }
        (None, _) => {}
    }
    text
}

fn server(server: &Server) -> String {
    let silent = if server.up {
        String::new()
    } else {
        format!("  {}", style("does not answer").red())
    };
    format!("{}  {}{silent}", server.name, server.endpoint)
}

/// A row for each run, and a warning about lines that cannot be read.
pub fn history(history: &History) -> String {
    if history.runs.is_empty() && history.damaged.is_empty() {
        return format!("nothing was changed in {} yet\n", history.cluster);
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["WHEN", "WHO", "COMMAND", "RESULT", "CHANGES"]);
    if let Some(column) = table.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for run in &history.runs {
        table.add_row([
            Cell::new(run.started.strftime("%Y-%m-%d %H:%M:%SZ")),
            Cell::new(&run.user),
            Cell::new(command(run)),
            Cell::new(result(run)),
            Cell::new(run.changes),
        ]);
    }
    let mut text = plain(&table);
    if let Some(first) = history.damaged.first() {
        let _ = writeln!(
            text,
            "\n{} {} of the journal cannot be read (line {}: {})",
            style("warning:").yellow().bold(),
            count(history.damaged.len(), "line"),
            first.line,
            first.why
        );
    }
    text
}

fn result(run: &Run) -> String {
    match (run.result, &run.cause) {
        ("done", _) => style("done").green().to_string(),
        ("failed", Some(cause)) => {
            let first = cause.lines().next().unwrap_or_default();
            format!("{}: {first}", style("failed").red())
        }
        ("failed", None) => style("failed").red().to_string(),
        (other, _) => style(other).yellow().to_string(),
    }
}

/// The command in a form that can be typed again.
fn command(run: &Run) -> String {
    let words: Vec<String> = run.argv.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use rcluster_core::slot::Slot;
    use rcluster_ops::key;

    #[test]
    fn keys_say_what_was_hashed() {
        console::set_colors_enabled(false);
        let keys = [b"{user1000}.a".to_vec(), b"b".to_vec()];
        let slots: Vec<Slot> = Slot::new(0).into_iter().collect();
        let text = super::keys(&key::look_up(&keys, &[], None));
        assert_eq!(
            text,
            "{user1000}.a  slot 3443\n  hashed    only `user1000` is hashed: keys with {user1000} share this slot\n\
             b  slot 3300\n  hashed    the whole key is hashed: it has no {tag}\n\
             \nin different slots: no command takes them together; a common {tag} in their names puts them in one\n"
        );
        let text = super::keys(&key::look_up(&[], &slots, None));
        assert!(
            text.starts_with("slot 0\n  tag       keys with {"),
            "{text}"
        );
    }
}
