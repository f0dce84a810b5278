//! Put, get, list and delete, the same for every kind of object.

use tidegate_model::{
    BundleId, CohortId, DeviceKey, ExclusionId, HoldId, ObjectKind, ObjectRef, OverrideId, ProductId, ReleaseId,
};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1::document::Spec;
use tonic::{Request, Response, Status};

use super::{Desk, id, must};
use crate::door::caller;
use crate::pages::{Filter, Page};

/// One service of one kind. `key` makes the object's name from a request that has its id fields; `filter` what a list
/// request asks for; what follows are the calls that only this service has.
macro_rules! object_service {
    (
        $(#[$doc:meta])* $name:ident is $trait:ident in $module:ident, kind $kind:ident;
        put $put:ident($put_request:ident -> $put_response:ident) field $field:ident;
        get $get:ident($get_request:ident -> $get_response:ident);
        list $list:ident($list_request:ident -> $list_response:ident) filter |$r:ident| $filter:expr;
        delete $delete:ident($delete_request:ident -> $delete_response:ident);
        key |$k:ident| $key:expr;
        $($extra:tt)*
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub Desk);

        #[tonic::async_trait]
        impl admin::$module::$trait for $name {
            async fn $put(
                &self,
                request: Request<admin::$put_request>,
            ) -> Result<Response<admin::$put_response>, Status> {
                let caller = caller(&request)?;
                let request = request.into_inner();
                let spec = Spec::$kind(must(stringify!($field), request.$field)?);
                let put = self.0.put(&caller, spec, request.expected_version, &request.request_id).await?;
                Ok(Response::new(admin::$put_response {
                    version: put.version,
                    config_version: put.config_version,
                    effect: put.effect,
                    warnings: put.warnings,
                }))
            }

            async fn $get(
                &self,
                request: Request<admin::$get_request>,
            ) -> Result<Response<admin::$get_response>, Status> {
                let $k = request.into_inner();
                let (object, config_version) = self.0.get($key, $k.consistency).await?;
                Ok(Response::new(admin::$get_response { object: Some(object), config_version }))
            }

            async fn $list(
                &self,
                request: Request<admin::$list_request>,
            ) -> Result<Response<admin::$list_response>, Status> {
                let $r = request.into_inner();
                let filter: Filter = $filter;
                let page = Page { size: $r.page_size, token: $r.page_token };
                let (objects, next_page_token, config_version) =
                    self.0.list(ObjectKind::$kind, &filter, &page, $r.consistency).await?;
                Ok(Response::new(admin::$list_response { objects, next_page_token, config_version }))
            }

            async fn $delete(
                &self,
                request: Request<admin::$delete_request>,
            ) -> Result<Response<admin::$delete_response>, Status> {
                let caller = caller(&request)?;
                let $k = request.into_inner();
                let reference = $key;
                let (config_version, warnings) =
                    self.0.delete(&caller, reference, $k.expected_version, &$k.request_id).await?;
                Ok(Response::new(admin::$delete_response { config_version, warnings }))
            }

            $($extra)*
        }
    };
}

object_service! {
    /// Products.
    Products is ProductService in product_service_server, kind Product;
    put put_product(PutProductRequest -> PutProductResponse) field product;
    get get_product(GetProductRequest -> GetProductResponse);
    list list_products(ListProductsRequest -> ListProductsResponse) filter |r| Filter::default();
    delete delete_product(DeleteProductRequest -> DeleteProductResponse);
    key |k| ObjectRef::Product(id("id", &k.id, ProductId::new)?);
}

object_service! {
    /// Cohorts.
    Cohorts is CohortService in cohort_service_server, kind Cohort;
    put put_cohort(PutCohortRequest -> PutCohortResponse) field cohort;
    get get_cohort(GetCohortRequest -> GetCohortResponse);
    list list_cohorts(ListCohortsRequest -> ListCohortsResponse) filter |r| Filter::of_product(r.product.as_deref())?;
    delete delete_cohort(DeleteCohortRequest -> DeleteCohortResponse);
    key |k| ObjectRef::Cohort(id("product", &k.product, ProductId::new)?, id("id", &k.id, CohortId::new)?);
}

object_service! {
    /// Releases.
    Releases is ReleaseService in release_service_server, kind Release;
    put put_release_config(PutReleaseConfigRequest -> PutReleaseConfigResponse) field release;
    get get_release(GetReleaseRequest -> GetReleaseResponse);
    list list_releases(ListReleasesRequest -> ListReleasesResponse)
        filter |r| Filter::of_product(r.product.as_deref())?.of_cohort(r.cohort.as_deref())?;
    delete delete_release(DeleteReleaseRequest -> DeleteReleaseResponse);
    key |k| ObjectRef::Release(id("id", &k.id, ReleaseId::new)?);
}

object_service! {
    /// Holds.
    Holds is HoldService in hold_service_server, kind Hold;
    put put_hold(PutHoldRequest -> PutHoldResponse) field hold;
    get get_hold(GetHoldRequest -> GetHoldResponse);
    list list_holds(ListHoldsRequest -> ListHoldsResponse) filter |r| Filter::of_product(r.product.as_deref())?;
    delete delete_hold(DeleteHoldRequest -> DeleteHoldResponse);
    key |k| ObjectRef::Hold(id("id", &k.id, HoldId::new)?);
}

object_service! {
    /// Overrides.
    Overrides is OverrideService in override_service_server, kind Override;
    put put_override(PutOverrideRequest -> PutOverrideResponse) field r#override;
    get get_override(GetOverrideRequest -> GetOverrideResponse);
    list list_overrides(ListOverridesRequest -> ListOverridesResponse)
        filter |r| Filter::of_product(r.product.as_deref())?;
    delete delete_override(DeleteOverrideRequest -> DeleteOverrideResponse);
    key |k| ObjectRef::Override(id("id", &k.id, OverrideId::new)?);
}

object_service! {
    /// Exclusions.
    Exclusions is ExclusionService in exclusion_service_server, kind Exclusion;
    put put_exclusion(PutExclusionRequest -> PutExclusionResponse) field exclusion;
    get get_exclusion(GetExclusionRequest -> GetExclusionResponse);
    list list_exclusions(ListExclusionsRequest -> ListExclusionsResponse) filter |r| Filter::default();
    delete delete_exclusion(DeleteExclusionRequest -> DeleteExclusionResponse);
    key |k| ObjectRef::Exclusion(id("id", &k.id, ExclusionId::new)?);
}

object_service! {
    /// Devices, and checks on behalf of one.
    Devices is DeviceService in device_service_server, kind Device;
    put put_device(PutDeviceRequest -> PutDeviceResponse) field device;
    get get_device(GetDeviceRequest -> GetDeviceResponse);
    list list_devices(ListDevicesRequest -> ListDevicesResponse) filter |r| Filter::of_product(r.product.as_deref())?;
    delete delete_device(DeleteDeviceRequest -> DeleteDeviceResponse);
    key |k| ObjectRef::Device(id("product", &k.product, ProductId::new)?, id("key", &k.key, DeviceKey::new)?);

    async fn check_for_update(
        &self,
        request: Request<admin::CheckForUpdateRequest>,
    ) -> Result<Response<admin::CheckForUpdateResponse>, Status> {
        super::check::check_for_update(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn record_install_event(
        &self,
        request: Request<admin::RecordInstallEventRequest>,
    ) -> Result<Response<admin::RecordInstallEventResponse>, Status> {
        let taken_in = self.0.0.record_events(request.into_inner().events).await?;
        Ok(Response::new(admin::RecordInstallEventResponse {
            accepted: taken_in.accepted,
            duplicates: taken_in.duplicates,
            unattributed: taken_in.unattributed,
        }))
    }
}

object_service! {
    /// Bundles and the evidence for them.
    Bundles is BundleService in bundle_service_server, kind Bundle;
    put put_bundle(PutBundleRequest -> PutBundleResponse) field bundle;
    get get_bundle(GetBundleRequest -> GetBundleResponse);
    list list_bundles(ListBundlesRequest -> ListBundlesResponse) filter |r| Filter::of_product(r.product.as_deref())?;
    delete delete_bundle(DeleteBundleRequest -> DeleteBundleResponse);
    key |k| ObjectRef::Bundle(id("id", &k.id, BundleId::new)?);

    async fn put_attestation(
        &self,
        request: Request<admin::PutAttestationRequest>,
    ) -> Result<Response<admin::PutAttestationResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let spec = Spec::Attestation(must("attestation", request.attestation)?);
        let put = self.0.put(&caller, spec, request.expected_version, &request.request_id).await?;
        Ok(Response::new(admin::PutAttestationResponse {
            version: put.version,
            config_version: put.config_version,
            effect: put.effect,
            warnings: put.warnings,
        }))
    }

    async fn list_attestations(
        &self,
        request: Request<admin::ListAttestationsRequest>,
    ) -> Result<Response<admin::ListAttestationsResponse>, Status> {
        let request = request.into_inner();
        let filter = Filter::of_bundle(request.bundle.as_deref())?;
        let page = Page { size: request.page_size, token: request.page_token };
        let (objects, next_page_token, config_version) =
            self.0.list(ObjectKind::Attestation, &filter, &page, request.consistency).await?;
        Ok(Response::new(admin::ListAttestationsResponse { objects, next_page_token, config_version }))
    }
}
