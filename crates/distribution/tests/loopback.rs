//! Both ends over loopback: a follower keeps what an origin has, with its age, through breaks, restores and lies.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_distribution::{
    Batch, Broken, Event, Following, Freshness, Held, Origin, Present, Recent, Refused, Replica, Roots, Scope, Sink, Snapshots,
    Stop, StopCode, Subject, Upstreams, accepted,
};
use tidegate_eligibility::Stamp;
use tidegate_model::{
    Bundle, BundleId, BundleState, Catalog, CatalogChange, Created, Hold, HoldId, HoldKind, HoldScope, Object, Principal,
    ProductId, Requirement, Stored, Timestamp,
};
use tidegate_platform::{Platform, Spawner, SystemClock, TcpNetwork};
use tidegate_proto::edge::v1::snapshot_service_server::SnapshotServiceServer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

const PATIENCE: Duration = Duration::from_secs(30);

fn hold(id: &str, reason: &str) -> Object {
    let body = Hold {
        id: HoldId::new(id).unwrap(),
        product: ProductId::new("app").unwrap(),
        scope: HoldScope::Product,
        kind: HoldKind::Freeze,
        release: None,
        bundle: None,
        from: Timestamp::from_secs(0),
        until: None,
        window: None,
        critical_pierces: false,
        reason: reason.to_owned(),
        author: Principal::new("ops").unwrap(),
    };
    Object::Hold(Arc::new(Stored { version: 1, created: Created { config_version: 1, seq: 0 }, body }))
}

/// An origin whose catalog the test writes.
struct Book {
    cluster_id: u128,
    scope: Scope,
    platform: Platform,
    present: Mutex<Present>,
    recent: Mutex<Recent>,
    versions: watch::Sender<(u64, u64)>,
    stops: watch::Sender<Arc<[Stop]>>,
    staleness: Mutex<Option<Duration>>,
    slots: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Book {
    fn new(cluster_id: u128, epoch: u64) -> Arc<Self> {
        let catalog = Catalog::default();
        let stamp = Stamp { config_version: 1, epoch, applied_index: 1 };
        Arc::new(Self {
            cluster_id,
            scope: Scope::default(),
            platform: Platform::system(),
            present: Mutex::new(Present { stamp, roots: Roots::of(&catalog), catalog }),
            recent: Mutex::new(Recent::from(1)),
            versions: watch::Sender::new((epoch, 1)),
            stops: watch::Sender::new(Arc::new([])),
            staleness: Mutex::new(Some(Duration::from_millis(5))),
            slots: Arc::new(Semaphore::new(64)),
            closing: watch::Sender::new(false),
        })
    }

    fn commit(&self, objects: Vec<Object>) -> u64 {
        let changes: Arc<[CatalogChange]> = objects.into_iter().map(CatalogChange::Put).collect();
        let mut present = self.present.lock().unwrap();
        let mut catalog = present.catalog.clone();
        changes.iter().for_each(|change| drop(catalog.apply(change)));
        let config_version = present.stamp.config_version + 1;
        let (batch, roots) = Batch::between(config_version, &present.catalog, &catalog, &present.roots, changes);
        self.recent.lock().unwrap().extend([batch]);
        let stamp = Stamp { config_version, ..present.stamp };
        *present = Present { stamp, catalog, roots };
        drop(present);
        self.versions.send_modify(|version| version.1 = config_version);
        config_version
    }

    /// Forgets what led here, as a node does that has just been started.
    fn forget(&self) {
        *self.recent.lock().unwrap() = Recent::from(self.present.lock().unwrap().stamp.config_version);
    }
}

impl Origin for Book {
    fn cluster_id(&self) -> u128 {
        self.cluster_id
    }
    fn scope(&self) -> &Scope {
        &self.scope
    }
    fn present(&self) -> Result<Present, Refused> {
        Ok(self.present.lock().unwrap().clone())
    }
    fn recent(&self, config_version: u64) -> Option<Vec<Batch>> {
        self.recent.lock().unwrap().since(config_version)
    }
    async fn since(&self, config_version: u64) -> Result<Vec<Batch>, Refused> {
        self.recent(config_version).ok_or(Refused::Gone { from: config_version, floor: 0 })
    }
    fn versions(&self) -> watch::Receiver<(u64, u64)> {
        self.versions.subscribe()
    }
    fn stops(&self) -> watch::Receiver<Arc<[Stop]>> {
        self.stops.subscribe()
    }
    fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
    fn staleness(&self) -> Option<Duration> {
        *self.staleness.lock().unwrap()
    }
    fn decision_time_ms(&self) -> i64 {
        1_000
    }
    fn slot(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refused::Busy)
    }
    fn spawner(&self) -> &dyn Spawner {
        self.platform.spawner.as_ref()
    }
    fn status(&self, refused: Refused) -> Status {
        Status::unavailable(refused.to_string())
    }
}

/// A served book; nothing is accepted any more once it is dropped, and its streams end.
struct Served {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(book: &Arc<Book>) -> Served {
    let listener = Platform::system().network.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let incoming = accepted(listener, 64, book.platform.spawner.as_ref(), stopping);
    let service = SnapshotServiceServer::new(Snapshots(Arc::clone(book)));
    let task = tokio::spawn(async move {
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.ok();
    });
    Served { address, _stop: stop, task }
}

/// What a follower was handed, in order.
#[derive(Clone, Debug, PartialEq)]
enum Note {
    Replaced(u64),
    Advanced(u64, usize),
    Stopped(usize),
    Refused(String),
    Lost,
    Proven(bool),
}

struct Notes {
    held: Arc<Mutex<Option<Held>>>,
    notes: watch::Sender<Vec<Note>>,
}

impl Notes {
    fn note(&self, note: Note) {
        self.notes.send_modify(|notes| notes.push(note));
    }
}

impl Sink for Notes {
    async fn replaced(&mut self, held: &Held) {
        *self.held.lock().unwrap() = Some(held.clone());
        self.note(Note::Replaced(held.stamp.config_version));
    }
    fn advanced(&mut self, held: &Held, batches: Vec<Batch>) {
        *self.held.lock().unwrap() = Some(held.clone());
        self.note(Note::Advanced(held.stamp.config_version, batches.len()));
    }
    fn stopped(&mut self, stops: Vec<Stop>) {
        self.note(Note::Stopped(stops.len()));
    }
    fn happened(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { .. } => {}
            Event::Disconnected { reason: Broken::Refused(refused), .. } => self.note(Note::Refused(refused.to_string())),
            Event::Disconnected { .. } => self.note(Note::Lost),
            Event::Probed { is_proven } => self.note(Note::Proven(is_proven)),
        }
    }
}

struct Follower {
    freshness: Freshness,
    held: Arc<Mutex<Option<Held>>>,
    notes: watch::Receiver<Vec<Note>>,
    _stop: watch::Sender<bool>,
}

fn follow(addresses: &[SocketAddr], cluster_id: Option<u128>, products: &[&str]) -> Follower {
    let platform = Platform::system();
    let freshness = Freshness::new(Arc::new(SystemClock::new()));
    let scope = Scope::of(products.iter().map(|id| ProductId::new(id).unwrap()).collect::<BTreeSet<_>>());
    let (held, (sender, notes)) = (Arc::default(), watch::channel(Vec::new()));
    let following = Following {
        upstreams: Upstreams {
            network: Arc::new(TcpNetwork),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            authorization: None,
        },
        platform,
        replica: Replica::new(scope, cluster_id),
        freshness: freshness.clone(),
        sink: Notes { held: Arc::clone(&held), notes: sender },
        probe_interval: Duration::from_millis(20),
        max_staleness: Duration::from_secs(5),
    };
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(following.run(stopping));
    Follower { freshness, held, notes, _stop: stop }
}

impl Follower {
    /// Waits until a note comes, counted from the first one.
    async fn hears(&mut self, what: &str, is_it: impl Fn(&Note) -> bool) {
        let heard = tokio::time::timeout(PATIENCE, self.notes.wait_for(|notes| notes.iter().any(&is_it))).await.is_ok();
        assert!(heard, "not heard: {what}; heard {:?}", self.notes.borrow());
    }

    async fn reaches(&mut self, config_version: u64) {
        let is_there = |note: &Note| matches!(note, Note::Replaced(at) | Note::Advanced(at, _) if *at == config_version);
        self.hears(&format!("config version {config_version}"), is_there).await;
    }

    fn catalog(&self) -> Catalog {
        self.held.lock().unwrap().as_ref().unwrap().catalog.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_everything_once_and_then_what_changes() {
    let book = Book::new(7, 1);
    book.commit((0..2_000).map(|number| hold(&format!("h{number}"), &"x".repeat(500))).collect());
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.reaches(2).await;
    let at = book.commit(vec![hold("h7", "changed")]);
    follower.reaches(at).await;
    assert_eq!(follower.catalog(), book.present().unwrap().catalog);
    let notes = follower.notes.borrow().clone();
    assert_eq!(notes.iter().filter(|note| matches!(note, Note::Replaced(_))).count(), 1, "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn age_is_the_sum_of_both_ways_and_unknown_where_the_origin_does_not_know() {
    let book = Book::new(7, 1);
    *book.staleness.lock().unwrap() = Some(Duration::from_millis(1_500));
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.hears("a proof", |note| *note == Note::Proven(true)).await;
    let age = follower.freshness.current_staleness().unwrap();
    assert!(age >= Duration::from_millis(1_500), "{age:?}");
    assert!(follower.freshness.decision_wall_ms() < 1_000 + 60_000, "a fast local clock opens nothing early");

    let unsure = Book::new(7, 1);
    *unsure.staleness.lock().unwrap() = None;
    let served = serve(&unsure).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.hears("an answer that proves nothing", |note| *note == Note::Proven(false)).await;
    assert_eq!(follower.freshness.current_staleness(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stops_is_left_for_one_that_runs() {
    let (book, stopping) = (Book::new(7, 1), Book::new(7, 1));
    let (second, first) = (serve(&book).await, serve(&stopping).await);
    let mut follower = follow(&["127.0.0.1:1".parse().unwrap(), first.address, second.address], None, &[]);
    follower.reaches(1).await;
    stopping.closing.send_replace(true);
    let at = book.commit(vec![hold("a", "later")]);
    follower.reaches(at).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_too_old_is_left_for_one_that_is_not() {
    let (fresh, old) = (Book::new(7, 1), Book::new(7, 1));
    for age in [None, Some(Duration::from_secs(4))] {
        *old.staleness.lock().unwrap() = age;
        let (first, second, third) = (serve(&old).await, serve(&old).await, serve(&fresh).await);
        let mut follower = follow(&[first.address, second.address, third.address], None, &[]);
        let is_young = || follower.freshness.current_staleness().is_some_and(|age| age < Duration::from_secs(1));
        let found = tokio::time::timeout(PATIENCE, follower.notes.wait_for(|_| is_young())).await.is_ok();
        assert!(found, "left for the fresh one: {:?}", follower.notes.borrow());
        assert!(follower.notes.borrow().iter().filter(|note| **note == Note::Lost).count() <= 2, "each was tried once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_upstreams_are_all_too_old_goes_round_and_takes_the_first_that_is_not() {
    let books = [Book::new(7, 1), Book::new(7, 1)];
    books.iter().for_each(|book| *book.staleness.lock().unwrap() = None);
    let served = [serve(&books[0]).await, serve(&books[1]).await];
    let mut follower = follow(&[served[0].address, served[1].address], None, &[]);
    let lost = |notes: &Vec<Note>| notes.iter().filter(|note| **note == Note::Lost).count();
    let rounds = tokio::time::timeout(PATIENCE, follower.notes.wait_for(|notes| lost(notes) >= 3)).await.is_ok();
    assert!(rounds, "it goes round: {:?}", follower.notes.borrow());
    assert_eq!(follower.freshness.current_staleness(), None);
    *books[1].staleness.lock().unwrap() = Some(Duration::ZERO);
    follower.hears("a proof", |note| *note == Note::Proven(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_origin_that_forgot_what_led_here_gives_everything_again() {
    let book = Book::new(7, 1);
    book.commit(vec![hold("a", "first")]);
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.reaches(2).await;
    // The stream that is open finds a hole and is ended; the next one begins from nothing.
    {
        let mut present = book.present.lock().unwrap();
        let mut catalog = present.catalog.clone();
        catalog.apply(&CatalogChange::Put(hold("b", "unseen")));
        let stamp = Stamp { config_version: 50, ..present.stamp };
        *present = Present { stamp, roots: Roots::of(&catalog), catalog };
    }
    book.forget();
    book.versions.send_modify(|version| version.1 = 50);
    follower.hears("the whole catalog", |note| *note == Note::Replaced(50)).await;
    assert_eq!(follower.catalog(), book.present().unwrap().catalog);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_of_another_cluster_is_refused_and_the_right_one_found() {
    let (ours, theirs) = (Book::new(7, 1), Book::new(8, 1));
    theirs.commit(vec![hold("x", "foreign")]);
    let (first, second) = (serve(&theirs).await, serve(&ours).await);
    let mut lost = follow(&[first.address], Some(7), &[]);
    lost.hears("the refusal", |note| matches!(note, Note::Refused(text) if text.contains("of cluster"))).await;
    assert!(lost.held.lock().unwrap().is_none(), "nothing foreign was taken over");
    assert_eq!(lost.freshness.current_staleness(), None);
    let mut follower = follow(&[first.address, second.address], Some(7), &[]);
    follower.hears("a proof", |note| *note == Note::Proven(true)).await;
    assert!(follower.catalog().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_that_an_origin_was_told_are_passed_on() {
    let book = Book::new(7, 1);
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.reaches(1).await;
    let stop = Stop { subject: Subject::Release("r1".into()), code: StopCode::Paused, epoch: 1, config_version: 9 };
    book.stops.send_replace(Arc::new([stop]));
    follower.hears("the stop", |note| *note == Note::Stopped(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_go_ahead_of_a_large_change_and_not_of_a_small_one() {
    let recalled = |id: &str| {
        let body = Bundle {
            id: BundleId::new(id).unwrap(),
            product: ProductId::new("app").unwrap(),
            version: None,
            artifacts: Vec::new(),
            requires: Requirement::default(),
            provides: Vec::new(),
            security_epoch: 0,
            state: BundleState::Recalled,
            signatures: Vec::new(),
        };
        Object::Bundle(Arc::new(Stored { version: 1, created: Created { config_version: 1, seq: 0 }, body }))
    };
    let book = Book::new(7, 1);
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.reaches(1).await;
    let small = book.commit(vec![recalled("b1")]);
    follower.reaches(small).await;
    assert!(!follower.notes.borrow().iter().any(|note| matches!(note, Note::Stopped(_))), "nothing lies ahead of it");
    let mut objects: Vec<Object> = (0..100).map(|number| hold(&format!("h{number}"), &"x".repeat(500))).collect();
    objects.push(recalled("b2"));
    let large = book.commit(objects);
    follower.reaches(large).await;
    let notes = follower.notes.borrow().clone();
    let place = |is_it: &dyn Fn(&Note) -> bool| notes.iter().position(is_it);
    let (stop, change) = (place(&|note| *note == Note::Stopped(1)), place(&|note| *note == Note::Advanced(large, 1)));
    assert!(stop.is_some() && stop < change, "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_beyond_the_bound_are_refused() {
    let book = Book::new(7, 1);
    let _all = Arc::clone(&book.slots).acquire_many_owned(64).await.unwrap();
    let served = serve(&book).await;
    let mut follower = follow(&[served.address], None, &[]);
    follower.hears("the refusal", |note| *note == Note::Lost).await;
    assert!(follower.held.lock().unwrap().is_none());
}
