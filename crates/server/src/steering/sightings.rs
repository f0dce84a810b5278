//! Which devices ask: left behind by checks, off their way.
//!
//! A check costs a hash and one atomic look here, and a copy of its facts once per device and window. It never waits: when
//! the queue is full or just being emptied, the sighting is lost and the device is noted with a later check.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message as _;
use tidegate_eligibility::Request;

use crate::limits::{SIGHTING_SLOTS, SIGHTINGS_BATCH_BYTES_MAX, SIGHTINGS_QUEUE_MAX};
use crate::wire;

/// Sightings of this node that are not sent yet.
pub struct Sightings {
    /// One hash of a device and what it said per slot: whoever is found here was noted in this window.
    noted: Box<[AtomicU64]>,
    /// Mixed into the hashes; another one makes everybody unknown.
    window: AtomicU64,
    queue: Mutex<Vec<wire::Sighting>>,
}

impl Default for Sightings {
    fn default() -> Self {
        let noted = (0..SIGHTING_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { noted, window: AtomicU64::new(1), queue: Mutex::new(Vec::new()) }
    }
}

impl Sightings {
    /// Notes the device of a check, unless it was noted lately or there is no room.
    pub fn note(&self, request: &Request<'_>) {
        let Some(device) = request.device.filter(|device| !device.is_empty()) else { return };
        let mut hasher = DefaultHasher::new();
        (self.window.load(Ordering::Relaxed), request.product, device, request.attributes, request.tags).hash(&mut hasher);
        let hash = hasher.finish();
        let slot = &self.noted[usize::try_from(hash % SIGHTING_SLOTS as u64).expect("a slot number")];
        if slot.load(Ordering::Relaxed) == hash {
            return;
        }
        let Ok(mut queue) = self.queue.try_lock() else { return };
        if queue.len() < SIGHTINGS_QUEUE_MAX {
            let attributes: BTreeMap<String, String> =
                request.attributes.iter().rev().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            queue.push(wire::Sighting {
                product: request.product.to_owned(),
                device: device.to_owned(),
                attributes,
                tags: request.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            });
            slot.store(hash, Ordering::Relaxed);
        }
    }

    /// Takes up to `count` sightings out, fewer if they are large.
    #[must_use]
    pub fn take(&self, count: usize) -> Vec<wire::Sighting> {
        let mut queue = self.queue.lock().expect("no panic happens under this lock");
        let mut bytes = 0;
        let fits = |sighting: &&wire::Sighting| {
            bytes += sighting.encoded_len();
            bytes <= SIGHTINGS_BATCH_BYTES_MAX
        };
        let fitting = queue.iter().take(count).take_while(fits).count();
        // One is always taken, or a large one would stand in the way for ever.
        let taken = fitting.max(1).min(queue.len());
        let rest = queue.split_off(taken);
        std::mem::replace(&mut *queue, rest)
    }

    /// Begins a new window: every device is noted again with its next check.
    pub fn begin_window(&self) {
        self.window.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<'r>(device: &'r str, attributes: &'r [(&'r str, &'r str)]) -> Request<'r> {
        Request { product: "os", device: Some(device), attributes, ..Request::default() }
    }

    #[test]
    fn a_device_is_noted_once_per_window_and_when_it_says_something_else() {
        let sightings = Sightings::default();
        let (eu, us) = ([("region", "eu")], [("region", "us")]);
        for _ in 0..3 {
            sightings.note(&check("d1", &eu));
            sightings.note(&check("", &eu));
            sightings.note(&Request { device: None, ..check("d1", &eu) });
        }
        sightings.note(&check("d1", &us));
        sightings.note(&check("d2", &eu));
        let named = |noted: Vec<wire::Sighting>| {
            let name = |sighting: wire::Sighting| format!("{} {}", sighting.device, sighting.attributes["region"]);
            noted.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(named(sightings.take(2)), ["d1 eu", "d1 us"]);
        assert_eq!(named(sightings.take(2)), ["d2 eu"]);
        sightings.note(&check("d2", &eu));
        assert!(sightings.take(9).is_empty());
        sightings.begin_window();
        sightings.note(&check("d2", &eu));
        assert_eq!(named(sightings.take(9)), ["d2 eu"]);
    }

    #[test]
    fn beyond_the_bound_sightings_are_lost_and_noted_later() {
        let sightings = Sightings::default();
        let keys: Vec<String> = (0..SIGHTINGS_QUEUE_MAX + 1).map(|number| format!("d{number}")).collect();
        keys.iter().for_each(|key| sightings.note(&check(key, &[])));
        assert_eq!(sightings.take(usize::MAX).len(), SIGHTINGS_QUEUE_MAX);
        sightings.note(&check(&keys[SIGHTINGS_QUEUE_MAX], &[]));
        assert_eq!(sightings.take(usize::MAX).len(), 1);
    }
}
