//! What is told of backfills, for people.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{BackfillPlan, BackfillStatus};
use crate::backfill::Backfill;

fn time(at: DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

impl fmt::Display for BackfillPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for turn in &self.turns {
            write!(f, "{}", turn.planned)?;
            if let Some(at) = turn.at {
                writeln!(f, "  out by {} at the earliest", time(at))?;
            }
        }
        if !self.whole {
            writeln!(f, "The source has more posts than were looked at: the oldest of them would go first.")?;
        }
        match self.last_at {
            Some(at) => {
                writeln!(f, "{} posts; the last would be out at {} at the earliest", self.turns.len(), time(at))
            }
            None => writeln!(f, "there is nothing to publish"),
        }
    }
}

impl fmt::Display for BackfillStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Backfill { since, until, per_day, stage, .. } = &self.backfill;
        write!(
            f,
            "backfill of rule \"{}\", {} to {}, {per_day} a day: {stage}",
            self.rule_name,
            time(*since),
            time(*until)
        )?;
        write!(f, "; {} had their turn", self.backfill.released())?;
        if let Some(left) = self.left {
            write!(f, ", {left} are left")?;
        }
        if let Some(at) = self.next_at {
            write!(f, "; next at {}", time(at))?;
        }
        if let Some(at) = self.last_at {
            write!(f, ", the last at {} at the earliest", time(at))?;
        }
        match self.note.as_ref().filter(|note| **note != stage.to_string()) {
            Some(note) => writeln!(f, " ({note})"),
            None => writeln!(f),
        }
    }
}
