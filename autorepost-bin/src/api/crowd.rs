//! How many requests of each key are being done: no key takes every place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use autorepost_core::id::ApiKeyId;

/// Requests that are being done, by key.
#[derive(Clone, Default)]
pub struct Crowd(Arc<Mutex<HashMap<ApiKeyId, usize>>>);

/// One request's place in the crowd; it is left when this is dropped.
pub struct Place {
    crowd: Crowd,
    key: ApiKeyId,
}

impl Crowd {
    /// A place for one more request of a key, unless it has `max` already.
    pub fn enter(&self, key: ApiKeyId, max: usize) -> Option<Place> {
        let mut inside = self.lock();
        let mine = inside.get(&key).copied().unwrap_or(0);
        (mine < max).then(|| {
            inside.insert(key, mine + 1);
            Place { crowd: self.clone(), key }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApiKeyId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.lock();
        match inside.get_mut(&self.key) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(inside.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_share_and_no_more() {
        let (crowd, [one, two]) = (Crowd::default(), [1, 2].map(|n| ApiKeyId::from_uuid(uuid::Uuid::from_u128(n))));
        let held: Vec<_> = (0..3).map(|_| crowd.enter(one, 3).unwrap()).collect();
        assert!(crowd.enter(one, 3).is_none());
        assert!(crowd.enter(two, 3).is_some(), "another key has its own");
        drop(held);
        assert!(crowd.enter(one, 3).is_some() && crowd.lock().is_empty(), "what is left is forgotten");
    }
}
