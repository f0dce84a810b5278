//! The admin listener: an accept loop over the network seam, and the services behind the door.

use std::sync::Arc;

use tidegate_distribution::{EndingLayer, Snapshots, accepted};
use tidegate_platform::Listener;
use tidegate_proto::FILE_DESCRIPTOR_SET;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::edge::v1::snapshot_service_server::SnapshotServiceServer;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::admin::{
    Applies, Audits, Bundles, Clusters, Cohorts, Desk, Devices, Exclusions, Holds, Overrides, Products, Releases, Rollouts,
    Watches,
};
use crate::context::Context;
use crate::door::DoorLayer;
use crate::edge::Catalogs;
use crate::limits::{ADMIN_MESSAGE_BYTES_MAX, ADMIN_PING, ADMIN_STREAMS_MAX};
use crate::metrics::Metrics;
use crate::refusal::Door;

/// Calls whose answers go on for as long as somebody listens. Followers of the catalog are told by their own origin.
const ENDLESS: &[&str] = &[
    "/tidegate.admin.v1.WatchService/Watch",
    "/tidegate.admin.v1.AuditService/TailAudit",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// All services of the admin listener.
fn routes<H>(context: &Arc<Context>, health: H, closing: watch::Receiver<bool>) -> Routes
where
    H: tower::Service<http::Request<tonic::body::Body>, Error = std::convert::Infallible>
        + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    H::Response: axum::response::IntoResponse,
    H::Future: Send + 'static,
{
    let desk = Desk::new(Arc::clone(context));
    let mut routes = Routes::builder();
    macro_rules! add {
        ($($module:ident::$server:ident($service:ident);)*) => {
            $(routes.add_service(
                admin::$module::$server::new($service(desk.clone())).max_decoding_message_size(ADMIN_MESSAGE_BYTES_MAX),
            );)*
        };
    }
    add! {
        apply_service_server::ApplyServiceServer(Applies);
        audit_service_server::AuditServiceServer(Audits);
        bundle_service_server::BundleServiceServer(Bundles);
        cluster_service_server::ClusterServiceServer(Clusters);
        cohort_service_server::CohortServiceServer(Cohorts);
        device_service_server::DeviceServiceServer(Devices);
        exclusion_service_server::ExclusionServiceServer(Exclusions);
        hold_service_server::HoldServiceServer(Holds);
        override_service_server::OverrideServiceServer(Overrides);
        product_service_server::ProductServiceServer(Products);
        release_service_server::ReleaseServiceServer(Releases);
        rollout_service_server::RolloutServiceServer(Rollouts);
        watch_service_server::WatchServiceServer(Watches);
    }
    routes.add_service(SnapshotServiceServer::new(Snapshots(Arc::new(Catalogs::new(Arc::clone(context), closing)))));
    let reflection = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET);
    let well_formed = "the descriptors come from the code generator";
    routes.add_service(reflection().build_v1().expect(well_formed));
    routes.add_service(reflection().build_v1alpha().expect(well_formed));
    routes.add_service(health);
    routes.routes()
}

/// Serves operators and edges on `listener` until `stop` turns true and running calls have ended; streams without an end of
/// their own end then.
///
/// # Errors
/// The listener failed for good.
pub async fn serve<H>(
    listener: Box<dyn Listener>,
    context: Arc<Context>,
    metrics: Metrics,
    health: H,
    mut stop: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error>
where
    H: tower::Service<http::Request<tonic::body::Body>, Error = std::convert::Infallible>
        + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    H::Response: axum::response::IntoResponse,
    H::Future: Send + 'static,
{
    let connections_max = context.config.limits.admin_connections;
    let incoming = accepted(listener, connections_max, context.platform.spawner.as_ref(), stop.clone());
    let routes = routes(&context, health, stop.clone());
    let ending = EndingLayer { endless: ENDLESS, closing: stop.clone(), status: || Door::NotReady.into() };
    Server::builder()
        .max_concurrent_streams(ADMIN_STREAMS_MAX)
        .http2_keepalive_interval(Some(ADMIN_PING))
        .http2_keepalive_timeout(Some(ADMIN_PING))
        .layer(DoorLayer::new(context, metrics))
        .layer(ending)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, async move {
            // An error means that the sender is gone, which asks for the end as well.
            let _is_stopping = stop.wait_for(|is_stopping| *is_stopping).await.is_ok();
        })
        .await
}
