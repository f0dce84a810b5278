//! The model of a disk: what programs see, and beside it what a power loss would leave.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A power loss keeps or loses this much at once, in bytes.
const SECTOR: usize = 512;
/// Sectors that usually share their fate.
const SECTORS_PER_PAGE: usize = 8;

pub(super) type NodeId = u64;
const ROOT: NodeId = 0;

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Link { name: String, node: NodeId },
    Unlink { name: String, node: NodeId },
    Rename { from: String, to: String, node: NodeId },
}

#[derive(Clone, Debug, Default)]
struct Folder {
    names: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
    pending: Vec<NameChange>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable_len: usize,
    /// Durable content of each sector that was changed since the last sync.
    undo: BTreeMap<usize, [u8; SECTOR]>,
    /// The same for sectors that a failed sync covered: they look clean and are not on the disk, whatever later syncs
    /// say, until they are written again.
    lost: BTreeMap<usize, [u8; SECTOR]>,
}

#[derive(Clone, Debug)]
enum Node {
    Folder(Folder),
    File(Content),
}

#[derive(Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<NodeId, Node>,
    next_node: NodeId,
    next_handle: u64,
    handles: BTreeSet<(NodeId, u64)>,
    locks: BTreeMap<NodeId, u64>,
    pub(super) is_off: bool,
    pub(super) changes: u64,
    pub(super) power_ends_at: Option<u64>,
    pub(super) syncs: u64,
    pub(super) sync_fails_at: Option<u64>,
    pub(super) capacity: Option<u64>,
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

fn error(kind: io::ErrorKind) -> io::Error {
    io::Error::from(kind)
}

fn name_of(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn size(offset: u64) -> usize {
    usize::try_from(offset).expect("files in memory are smaller than the address space")
}

impl Disk {
    pub(super) fn new() -> Self {
        Self::with_nodes(BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]), 1, None)
    }

    fn with_nodes(nodes: BTreeMap<NodeId, Node>, next_node: NodeId, capacity: Option<u64>) -> Self {
        Self {
            nodes,
            next_node,
            next_handle: 0,
            handles: BTreeSet::new(),
            locks: BTreeMap::new(),
            is_off: false,
            changes: 0,
            power_ends_at: None,
            syncs: 0,
            sync_fails_at: None,
            capacity,
        }
    }

    /// Ends the life of `old`; everything it saw is seen, and no more durable than before.
    pub(super) fn after_kill(old: &mut Self) -> Self {
        old.is_off = true;
        Self::with_nodes(old.nodes.clone(), old.next_node, old.capacity)
    }

    /// Ends the life of `old` and draws what it leaves.
    pub(super) fn after_power_loss(old: &mut Self, seed: u64) -> Self {
        old.is_off = true;
        let mut rng = StdRng::seed_from_u64(seed);
        // Some power losses keep nothing that was not synced, some everything, most a part.
        let share = match rng.random_range(0..8) {
            0 => 0.0,
            1 => 1.0,
            _ => rng.random_range(0.05..0.95),
        };
        let nodes = old.nodes.iter().map(|(id, node)| (*id, Self::survive(node, &mut rng, share))).collect();
        let mut disk = Self::with_nodes(nodes, old.next_node, old.capacity);
        disk.forget_unreachable();
        disk
    }

    fn survive(node: &Node, rng: &mut StdRng, share: f64) -> Node {
        match node {
            Node::Folder(folder) => {
                let mut names = folder.durable.clone();
                for change in &folder.pending {
                    if rng.random_bool(share) {
                        change.apply(&mut names);
                    }
                }
                Node::Folder(Folder { durable: names.clone(), names, pending: Vec::new() })
            }
            Node::File(content) => Node::File(Self::survive_content(content, rng, share)),
        }
    }

    fn survive_content(content: &Content, rng: &mut StdRng, share: f64) -> Content {
        let mut bytes = content.bytes.clone();
        bytes.resize(bytes.len().max(content.durable_len), 0);
        let mut page = None;
        let mut fate = (false, 0);
        for (sector, old) in content.undo.iter().chain(&content.lost) {
            if page != Some(sector / SECTORS_PER_PAGE) {
                page = Some(sector / SECTORS_PER_PAGE);
                // Kept or lost whole, or torn: then each sector for itself.
                fate = (rng.random_bool(share), rng.random_range(0..3));
            }
            let is_kept = if fate.1 == 0 { rng.random_bool(share) } else { fate.0 };
            if !is_kept {
                let start = sector * SECTOR;
                let end = bytes.len().min(start + SECTOR);
                if start < end {
                    bytes[start..end].copy_from_slice(&old[..end - start]);
                }
            }
        }
        let len = if rng.random_bool(share) { content.bytes.len() } else { content.durable_len };
        bytes.truncate(len);
        Content { durable_len: len, bytes, undo: BTreeMap::new(), lost: BTreeMap::new() }
    }

    /// Runs an operation that changes nothing.
    pub(super) fn look<T>(&mut self, op: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.is_off { Err(off()) } else { op(self) }
    }

    /// Runs a changing operation. The one in whose middle the power ends happened, as far as the programs that are gone
    /// are concerned; nothing of it is durable.
    pub(super) fn change<T>(&mut self, op: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.is_off {
            return Err(off());
        }
        self.changes += 1;
        let result = op(self);
        if self.power_ends_at.is_some_and(|end| self.changes >= end) {
            self.is_off = true;
            return Err(off());
        }
        result
    }

    /// Runs a sync. The one in whose middle the power ends has done nothing.
    pub(super) fn sync<T>(&mut self, op: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.is_off {
            return Err(off());
        }
        self.changes += 1;
        if self.power_ends_at.is_some_and(|end| self.changes >= end) {
            self.is_off = true;
            return Err(off());
        }
        op(self)
    }

    pub(super) fn find(&self, path: &Path) -> Option<NodeId> {
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Some(Node::Folder(folder)) = self.nodes.get(&at) else { return None };
                at = *folder.names.get(&name_of(name))?;
            }
        }
        Some(at)
    }

    fn folder(&mut self, node: NodeId) -> io::Result<&mut Folder> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(error(io::ErrorKind::NotADirectory)),
            None => Err(error(io::ErrorKind::NotFound)),
        }
    }

    fn content(&mut self, node: NodeId) -> io::Result<&mut Content> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Folder(_)) => Err(error(io::ErrorKind::IsADirectory)),
            None => Err(error(io::ErrorKind::NotFound)),
        }
    }

    /// The folder above `path`, and the last name.
    fn parent(&mut self, path: &Path) -> io::Result<(NodeId, String)> {
        let name = name_of(path.file_name().ok_or_else(|| error(io::ErrorKind::InvalidInput))?);
        let above = path.parent().unwrap_or(Path::new(""));
        let parent = self.find(above).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        self.folder(parent)?;
        Ok((parent, name))
    }

    fn add(&mut self, parent: NodeId, name: String, node: Node) -> io::Result<NodeId> {
        let id = self.next_node;
        self.next_node += 1;
        self.nodes.insert(id, node);
        self.folder(parent)?.apply(NameChange::Link { name, node: id });
        Ok(id)
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let name = name_of(name);
                at = match self.folder(at)?.names.get(&name) {
                    Some(node) => *node,
                    None => self.add(at, name, Node::Folder(Folder::default()))?,
                };
            }
        }
        self.folder(at).map(drop)
    }

    pub(super) fn names(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let node = self.find(path).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        Ok(self.folder(node)?.names.keys().cloned().collect())
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        self.content(node).map(|_| node)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<NodeId> {
        if self.find(path).is_some() {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        let (parent, name) = self.parent(path)?;
        self.add(parent, name, Node::File(Content::default()))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        let (from_parent, from) = self.parent(from)?;
        let (to_parent, to) = self.parent(to)?;
        if from_parent == to_parent {
            self.folder(from_parent)?.apply(NameChange::Rename { from, to, node });
        } else {
            self.folder(to_parent)?.apply(NameChange::Link { name: to, node });
            self.folder(from_parent)?.apply(NameChange::Unlink { name: from, node });
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        let (parent, name) = self.parent(path)?;
        self.folder(parent)?.apply(NameChange::Unlink { name, node });
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path).ok_or_else(|| error(io::ErrorKind::NotFound))?;
        let folder = self.folder(node)?;
        folder.durable = folder.names.clone();
        folder.pending.clear();
        self.forget_unreachable();
        Ok(())
    }

    pub(super) fn len(&mut self, node: NodeId) -> io::Result<u64> {
        Ok(self.content(node)?.bytes.len() as u64)
    }

    pub(super) fn read(&mut self, node: NodeId, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = &self.content(node)?.bytes;
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= bytes.len() as u64);
        let end = end.ok_or_else(|| error(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(&bytes[size(offset)..size(end)]);
        Ok(())
    }

    pub(super) fn write(&mut self, node: NodeId, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = size(offset) + data.len();
        let len = self.content(node)?.bytes.len();
        if end > len {
            self.reserve((end - len) as u64)?;
        }
        let content = self.content(node)?;
        content.remember(size(offset), end);
        content.bytes.resize(len.max(end), 0);
        content.bytes[size(offset)..end].copy_from_slice(data);
        Ok(())
    }

    pub(super) fn set_len(&mut self, node: NodeId, len: u64) -> io::Result<()> {
        let before = self.content(node)?.bytes.len();
        if size(len) > before {
            self.reserve(len - before as u64)?;
        }
        let content = self.content(node)?;
        content.remember(size(len).min(before), size(len).max(before));
        content.bytes.resize(size(len), 0);
        Ok(())
    }

    pub(super) fn sync_file(&mut self, node: NodeId) -> io::Result<()> {
        self.syncs += 1;
        let fails = self.sync_fails_at == Some(self.syncs);
        let content = self.content(node)?;
        if fails {
            content.lost.append(&mut content.undo);
            return Err(io::Error::other("injected input/output error"));
        }
        content.undo.clear();
        content.durable_len = content.bytes.len();
        Ok(())
    }

    fn reserve(&self, more: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + more > capacity => Err(error(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    pub(super) fn used(&self) -> u64 {
        let mut seen = BTreeSet::new();
        self.reach(ROOT, &mut seen, |folder| folder.names.values().copied().collect());
        let lens = seen.iter().map(|id| match &self.nodes[id] {
            Node::File(content) => content.bytes.len() as u64,
            Node::Folder(_) => 0,
        });
        lens.sum()
    }

    pub(super) fn flip(&mut self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let node = self.open(path)?;
        let content = self.content(node)?;
        let byte = content.bytes.get_mut(size(offset)).ok_or_else(|| error(io::ErrorKind::UnexpectedEof))?;
        *byte ^= mask;
        Ok(())
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, id)) = folders.pop() {
            match &self.nodes[&id] {
                Node::File(_) => files.push(path),
                Node::Folder(folder) => folders.extend(folder.names.iter().map(|(name, id)| (path.join(name), *id))),
            }
        }
        files.sort();
        files
    }

    pub(super) fn handle_opened(&mut self, node: NodeId) -> u64 {
        self.next_handle += 1;
        self.handles.insert((node, self.next_handle));
        self.next_handle
    }

    pub(super) fn handle_closed(&mut self, node: NodeId, handle: u64) {
        self.handles.remove(&(node, handle));
        if self.locks.get(&node) == Some(&handle) {
            self.locks.remove(&node);
        }
    }

    pub(super) fn try_lock(&mut self, node: NodeId, handle: u64) -> io::Result<bool> {
        Ok(*self.locks.entry(node).or_insert(handle) == handle)
    }

    fn reach(&self, from: NodeId, seen: &mut BTreeSet<NodeId>, next: impl Fn(&Folder) -> Vec<NodeId>) {
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            if seen.insert(id)
                && let Some(Node::Folder(folder)) = self.nodes.get(&id)
            {
                open.extend(next(folder));
            }
        }
    }

    /// Lets go of what neither a program nor a power loss could bring back.
    fn forget_unreachable(&mut self) {
        let mut seen: BTreeSet<NodeId> = self.handles.iter().map(|(node, _)| *node).collect();
        let pending = |folder: &Folder| folder.pending.iter().map(NameChange::node).collect::<Vec<_>>();
        self.reach(ROOT, &mut seen, |folder| {
            folder.names.values().chain(folder.durable.values()).copied().chain(pending(folder)).collect()
        });
        self.nodes.retain(|id, _| seen.contains(id));
    }
}

impl Folder {
    fn apply(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

impl Content {
    /// Notes the durable content of the sectors that `from..to` touches, before they change for the first time.
    fn remember(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let bytes = &self.bytes;
            if let Some(old) = self.lost.remove(&sector) {
                self.undo.insert(sector, old);
            }
            self.undo.entry(sector).or_insert_with(|| {
                let mut old = [0; SECTOR];
                let end = bytes.len().min(start + SECTOR);
                if start < end {
                    old[..end - start].copy_from_slice(&bytes[start..end]);
                }
                old
            });
        }
    }
}

impl NameChange {
    fn node(&self) -> NodeId {
        match self {
            Self::Link { node, .. } | Self::Unlink { node, .. } | Self::Rename { node, .. } => *node,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        let unlink = |names: &mut BTreeMap<String, NodeId>, name: &str, node| {
            if names.get(name) == Some(&node) {
                names.remove(name);
            }
        };
        match self {
            Self::Link { name, node } => drop(names.insert(name.clone(), *node)),
            Self::Unlink { name, node } => unlink(names, name, *node),
            Self::Rename { from, to, node } => {
                unlink(names, from, *node);
                names.insert(to.clone(), *node);
            }
        }
    }
}
