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
        let Some(from_node) = near.local_addr().ok().and_then(|to| self.owner_of(from, to)) else {
            // A node that has just been killed may leave one behind; while all of them run there is none.
            if self.all_run() {
                crate::report::line(format!("a connection to node {to_node} from {from}, which is no node's, was closed"));
            }
            return;
        };
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

    fn all_run(&self) -> bool {
        let pids = self.pids.lock().expect("no panic under this lock");
        pids.values().all(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
    }

    /// The node whose process owns the socket of the connection between these two addresses.
    fn owner_of(&self, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        let wanted = format!("socket:[{}]", inode_in(&table, local, remote)?);
        let pids = self.pids.lock().expect("no panic under this lock").clone();
        pids.into_iter().find(|(_, pid)| owns(*pid, &wanted)).map(|(node, _)| node)
    }
}

/// The inode of the IPv4 socket between these addresses, in the kernel's table. The local address alone names no socket: the
/// system gives a port again while a connection from it to somewhere else is still being forgotten.
fn inode_in(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<&str> {
    let wanted = [in_table(local)?, in_table(remote)?];
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1..3) == Some(&[wanted[0].as_str(), wanted[1].as_str()])).then(|| fields.get(9).copied())?
    })
}

fn in_table(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(v4) = address else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_le_bytes(v4.ip().octets()), v4.port()))
}

fn owns(pid: u32, wanted: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_both_ends_of_its_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:9C40 0100007F:1F90 06 00000000:00000000 03:00001000 00000000     0        0 0 3 0\n\
               1: 0100007F:9C40 0100007F:1F91 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n";
        let [from, old, new, other] = [40_000, 8_080, 8_081, 8_082].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(inode_in(table, from, new), Some("4711"), "the earlier connection from that port is another one");
        assert_eq!(inode_in(table, from, old), Some("0"));
        assert_eq!(inode_in(table, from, other), None);
    }
}
