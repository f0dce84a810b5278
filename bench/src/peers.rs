//! What people would use instead, as processes of this machine: each is started on loopback, with its data beside ours.

pub mod etcd;
pub mod hyper;
pub mod nginx;
pub mod unleash;
