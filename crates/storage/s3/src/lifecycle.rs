//! Rules of the bucket that would take the repository's files away.

use crate::backend::Shared;
use aws_sdk_s3::types::{ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter};

/// One line for each rule that would.
pub(crate) async fn warnings(shared: &Shared) -> Vec<String> {
    let asked = shared.client.get_bucket_lifecycle_configuration().bucket(shared.bucket()).send();
    // No rules, no permission to read them, or a server that has none.
    let Ok(Ok(answer)) = tokio::time::timeout(shared.config.limits.answer, asked).await else {
        return Vec::new();
    };
    let path = shared.config.location.below(None);
    answer.rules().iter().filter_map(|rule| warning(rule, &path, shared.bucket())).collect()
}

fn warning(rule: &LifecycleRule, path: &str, bucket: &str) -> Option<String> {
    if *rule.status() != ExpirationStatus::Enabled || !concerns(rule, path) {
        return None;
    }
    let name = rule.id().filter(|id| !id.is_empty()).map(|id| format!(" {id}")).unwrap_or_default();
    let rule_of = format!("the lifecycle rule{name} of the bucket {bucket}");
    if rule.expiration().is_some_and(expires) {
        return Some(format!(
            "{rule_of} deletes files of this repository, which destroys snapshots; exclude {path}"
        ));
    }
    let class = rule.transitions().iter().find_map(|transition| transition.storage_class())?;
    let class = class.as_str();
    // From the other classes an object is read at once.
    ["GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "COLD"].iter().any(|slow| class.to_ascii_uppercase().contains(slow)).then(
        || format!("{rule_of} moves files of this repository to {class}, from where a restore cannot read; exclude {path}"),
    )
}

fn expires(expiration: &LifecycleExpiration) -> bool {
    expiration.days().is_some() || expiration.date().is_some()
}

/// Whether the rule may select an object below the path. Objects of ours have
/// no tags.
fn concerns(rule: &LifecycleRule, path: &str) -> bool {
    #[allow(deprecated)] // servers still give the prefix in this place
    let old = rule.prefix();
    let filter = rule.filter();
    let and = filter.and_then(LifecycleRuleFilter::and);
    let tagged =
        filter.is_some_and(|filter| filter.tag().is_some()) || and.is_some_and(|and| !and.tags().is_empty());
    let prefix = old
        .or_else(|| filter.and_then(LifecycleRuleFilter::prefix))
        .or_else(|| and.and_then(|and| and.prefix()))
        .unwrap_or_default();
    !tagged && (path.starts_with(prefix) || prefix.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{Tag, Transition, TransitionStorageClass};

    fn rule(prefix: &str) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
        let filter = LifecycleRuleFilter::builder().prefix(prefix).build();
        LifecycleRule::builder().id("r").status(ExpirationStatus::Enabled).filter(filter)
    }

    fn days() -> LifecycleExpiration {
        LifecycleExpiration::builder().days(30).build()
    }

    #[test]
    fn rules_that_delete_files_of_the_repository_are_named() {
        let warn = |rule: &LifecycleRule| warning(rule, "backup/r/", "b");
        for prefix in ["", "backup/", "backup/r/data/"] {
            let rule = rule(prefix).expiration(days()).build().unwrap();
            let line = warn(&rule).unwrap();
            assert!(line.contains("rule r of the bucket b deletes"), "{line}");
        }
        let elsewhere = rule("logs/").expiration(days()).build().unwrap();
        assert_eq!(warn(&elsewhere), None);
        let off = rule("").status(ExpirationStatus::Disabled).expiration(days()).build().unwrap();
        assert_eq!(warn(&off), None);
        let tagged =
            LifecycleRuleFilter::builder().tag(Tag::builder().key("k").value("v").build().unwrap()).build();
        assert_eq!(warn(&rule("").filter(tagged).expiration(days()).build().unwrap()), None);
    }

    #[test]
    fn rules_that_archive_files_of_the_repository_are_named() {
        let moves = |class| {
            let transition = Transition::builder().days(1).storage_class(class).build();
            warning(&rule("").transitions(transition).build().unwrap(), "r/", "b")
        };
        assert!(moves(TransitionStorageClass::Glacier).unwrap().contains("GLACIER"));
        assert_eq!(moves(TransitionStorageClass::StandardIa), None);
    }
}
