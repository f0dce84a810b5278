//! The links between nodes: one TCP proxy before each node's peer listener, and a switch for every direction.
//!
//! A cut direction swallows what is sent and refuses nothing, as a network does that drops packets: connections stay
//! open and silent. Who opened a connection is found by the socket's owner in /proc, so that the product needs no
//! test-only setting to have every directed link of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A direction between two nodes, by id.
pub type Direction = (u64, u64);

/// All links of a cluster.
#[derive(Clone, Default)]
pub struct Links {
    pids: Arc<Mutex<BTreeMap<u64, u32>>>,
    cuts: Arc<watch::Sender<BTreeSet<Direction>>>,
}

impl Links {
    /// Tells which process is which node.
    pub fn set_pid(&self, node: u64, pid: u32) {
        self.pids.lock().expect("no panic under this lock").insert(node, pid);
    }

    /// Puts a proxy before `target`, the peer listener of `node`; returns the address to advertise instead.
    pub async fn open(&self, node: u64, target: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let links = self.clone();
        tokio::spawn(async move {
            while let Ok((near, from)) = listener.accept().await {
                let links = links.clone();
                tokio::spawn(async move { links.carry(near, from, node, target).await });
            }
        });
        address
    }

    /// From now on nothing passes in this direction.
    pub fn cut(&self, direction: Direction) {
        self.cuts.send_modify(|cuts| {
            cuts.insert(direction);
        });
    }

    /// Cuts `node` off from all `others`, both ways.
    pub fn isolate(&self, node: u64, others: impl IntoIterator<Item = u64>) {
        self.cuts.send_modify(|cuts| {
            for other in others.into_iter().filter(|other| *other != node) {
                cuts.extend([(node, other), (other, node)]);
            }
        });
    }

    /// Everything passes again. Connections that lost bytes are closed, as a real one would be reset in the end.
    pub fn heal(&self) {
        self.cuts.send_replace(BTreeSet::new());
    }

    async fn carry(&self, near: TcpStream, from: SocketAddr, to_node: u64, target: SocketAddr) {
        let Some(from_node) = self.owner_of(from) else { return };
        let Ok(far) = TcpStream::connect(target).await else { return };
        near.set_nodelay(true).ok();
        far.set_nodelay(true).ok();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        let there = self.pump(near_read, far_write, (from_node, to_node));
        let back = self.pump(far_read, near_write, (to_node, from_node));
        // A direction that lost bytes ends with the heal, and takes the other with it.
        tokio::select! {
            () = there => {}
            () = back => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, direction: Direction) {
        let mut cuts = self.cuts.subscribe();
        let mut buffer = vec![0; 64 * 1024];
        let mut has_lost_bytes = false;
        loop {
            tokio::select! {
                read = from.read(&mut buffer) => match read {
                    Ok(count) if count > 0 => {
                        if cuts.borrow_and_update().contains(&direction) {
                            has_lost_bytes = true;
                        } else if has_lost_bytes || to.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) | Err(_) => {
                        // The end of a stream is lost in a cut like everything else.
                        cuts.wait_for(|cuts| !cuts.contains(&direction)).await.ok();
                        return;
                    }
                },
                changed = cuts.changed() => {
                    if changed.is_err() || (has_lost_bytes && !cuts.borrow().contains(&direction)) {
                        return;
                    }
                }
            }
        }
    }

    /// The node whose process owns the socket with this local address.
    fn owner_of(&self, local: SocketAddr) -> Option<u64> {
        let inode = inode_of(local)?;
        let wanted = format!("socket:[{inode}]");
        let pids = self.pids.lock().expect("no panic under this lock").clone();
        pids.into_iter().find(|(_, pid)| owns(*pid, &wanted)).map(|(node, _)| node)
    }
}

/// The inode of the IPv4 socket with this local address, from the kernel's table.
fn inode_of(local: SocketAddr) -> Option<String> {
    let SocketAddr::V4(v4) = local else { return None };
    let wanted = format!("{:08X}:{:04X}", u32::from_le_bytes(v4.ip().octets()), v4.port());
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&wanted.as_str())).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

fn owns(pid: u32, wanted: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted))
}
