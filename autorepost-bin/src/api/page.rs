//! Pages: an opaque cursor that says where the last one ended.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::problem::Problem;

/// Rows of one page at most.
pub const PAGE_MAX: u32 = 200;
/// Rows of one page when nobody says how many.
const PAGE_DEFAULT: u32 = 50;
/// Characters of a cursor: 24 bytes in base64url.
const CURSOR_CHARS: usize = 32;

/// Which page is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageAsk {
    /// At most so many.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u32,
    /// Where the page before ended: its `next`.
    #[param(min_length = 32, max_length = 32, pattern = "^[A-Za-z0-9_-]{32}$")]
    pub cursor: Option<String>,
}

const fn page_default() -> u32 {
    PAGE_DEFAULT
}

impl PageAsk {
    /// The page that is asked for, checked.
    ///
    /// # Errors
    ///
    /// When the limit or the cursor is none.
    pub fn checked(&self) -> Result<Asked, Problem> {
        if !(1..=PAGE_MAX).contains(&self.limit) {
            return Err(Problem::bad_request(format!("\"limit\" must be 1 to {PAGE_MAX}")));
        }
        let place = self.cursor.as_deref().map(Place::read).transpose()?;
        Ok(Asked { limit: self.limit, place })
    }
}

/// A page that is asked for.
pub struct Asked {
    limit: u32,
    place: Option<Place>,
}

impl Asked {
    /// One row more than the page has: so it is known whether there is another.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The row at which the last page ended.
    pub fn after<I>(&self, id: impl FnOnce(Uuid) -> I) -> Option<(DateTime<Utc>, I)> {
        self.place.map(|place| (place.at, id(place.id)))
    }

    /// The page, of rows that were asked for by [`rows`](Self::rows).
    pub fn page<R, V>(
        &self,
        mut rows: Vec<R>,
        place: impl Fn(&R) -> (DateTime<Utc>, Uuid),
        view: impl Fn(R) -> V,
    ) -> Page<V> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next = rows.last().filter(|_| more).map(|row| {
            let (at, id) = place(row);
            Place { at, id }.text()
        });
        Page { items: rows.into_iter().map(view).collect(), next }
    }

    /// The page of a whole list that is in order by time and id.
    pub fn slice<R, V>(
        &self,
        rows: Vec<R>,
        place: impl Fn(&R) -> (DateTime<Utc>, Uuid),
        view: impl Fn(R) -> V,
    ) -> Page<V> {
        let after = self.after(|id| id);
        let rest = rows.into_iter().filter(|row| after.is_none_or(|after| place(row) > after));
        self.page(rest.take(self.rows() as usize).collect(), place, view)
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Ask with this as `cursor` for the next page; nothing when this is the last.
    pub next: Option<String>,
}

/// A row's place in a list.
#[derive(Clone, Copy)]
struct Place {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Place {
    fn text(self) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.at.timestamp_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let bytes = (text.len() == CURSOR_CHARS).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        let read = bytes.and_then(|bytes| {
            let (at, id) = bytes.split_first_chunk::<8>()?;
            let micros = i64::from_be_bytes(*at);
            // Beyond the calendar there are no rows.
            let end = if micros < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
            let at = DateTime::from_timestamp_micros(micros).unwrap_or(end);
            Some(Self { at, id: Uuid::from_slice(id).ok()? })
        });
        read.ok_or_else(|| Problem::bad_request("\"cursor\" is not the \"next\" of a page"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_where_a_page_ended_and_nothing_else_is_one() {
        let place = Place { at: DateTime::UNIX_EPOCH, id: Uuid::from_u128(7) };
        let text = place.text();
        let read = Place::read(&text).unwrap();
        assert_eq!((read.at, read.id), (place.at, place.id));
        for bad in ["", "a", &text[1..], &format!("{text}AAAA"), "!", &"A".repeat(100), "_____________________________"]
        {
            assert!(Place::read(bad).is_err(), "{bad}");
        }
    }
}
