//! Cloud Storage keeps the contract: as it is, with the smallest settings,
//! below all layers while one call in three fails and most streams break, and
//! below all layers while the connection itself breaks.

use crate::support::{layered, stand};
use rockhold_core::ErrorKind;
use rockhold_layers::{Failure, Fault, FaultPlan, Operation, Scope};
use rockhold_testkit::{repository::Subject, repository_conformance};
use rockhold_testkit_gcs as gcs;
use std::time::Duration;

mod plain {
    use super::*;

    async fn fresh() -> Subject {
        let stand = stand(|config| config).await;
        Subject::new(stand.shared()).keeping(stand.gcs)
    }

    repository_conformance!(fresh());
}

mod smallest_settings {
    use super::*;

    async fn fresh() -> Subject {
        let stand = stand(|config| config.page_limit(1).parallel(1)).await;
        Subject::new(stand.shared()).keeping(stand.gcs)
    }

    repository_conformance!(fresh());
}

mod all_layers_over_faults {
    use super::*;

    async fn fresh() -> Subject {
        let stand = stand(|config| config).await;
        let plan = FaultPlan::new();
        // An abort is not repeated, by design.
        for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::Abort) {
            let scope = |skip| Scope::operation(operation).skip(skip).every(6);
            plan.on(scope(0), Fault::before(Failure::unavailable(None)));
            plan.on(scope(2), Fault::before(Failure::throttled(Some(Duration::from_millis(2)))));
            plan.on(scope(4), Fault::BreakStream(1, Failure::temporary(ErrorKind::Unavailable)));
            plan.on(scope(5), Fault::CutStream(3));
        }
        Subject::new(layered(stand.shared(), plan)).keeping(stand.gcs)
    }

    repository_conformance!(fresh());
}

mod all_layers_over_a_bad_network {
    use super::*;

    async fn fresh() -> Subject {
        let stand = stand(|config| config).await;
        let strike = |call, faults: &[gcs::Fault]| {
            for (skip, fault) in (0..).zip(faults) {
                for round in 0..200 {
                    // One request in three of each sort.
                    let at = (round * faults.len() as u64 + skip) * 3;
                    stand.gcs.fault(gcs::Rule::next(call).skip(at), fault.clone());
                }
            }
        };
        let busy = gcs::Fault::Status(503, None);
        // Not of deletions: how many writers left something is not known any
        // more when the answer to one was lost.
        for call in [gcs::Call::Head, gcs::Call::List] {
            strike(call, &[gcs::Fault::LoseReply, busy.clone(), gcs::Fault::ResetBody(10)]);
        }
        strike(gcs::Call::Read, &[gcs::Fault::ResetBody(5), gcs::Fault::ShortRange(3), busy.clone()]);
        strike(gcs::Call::Compose, &[busy.clone(), gcs::Fault::ResetRequest(20)]);
        let uploads = [gcs::Fault::ResetRequest(100), busy, gcs::Fault::FlipUploadBit(0)];
        strike(gcs::Call::Upload, &uploads);
        Subject::new(layered(stand.shared(), FaultPlan::new())).keeping(stand.gcs)
    }

    repository_conformance!(fresh());
}
