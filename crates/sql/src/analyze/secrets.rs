//! Properties that are secrets, told from those that are not.

use indexmap::IndexMap;
use rockhold_core::{Secret, is_secret_property};

use crate::ast::PropertyList;

/// Properties with the secrets apart, both in the order of the statement.
#[derive(Debug, Clone, Default)]
pub struct SplitProperties {
    /// What may be stored and shown as it is.
    pub plain: IndexMap<String, String>,
    /// What may not.
    pub secrets: IndexMap<String, Secret>,
}

/// Tells secrets from other properties, by name. Where an adapter looks for a
/// property depends on nothing else.
pub fn split_secrets(properties: Option<&PropertyList>) -> SplitProperties {
    split(properties.map(PropertyList::effective).unwrap_or_default(), |_| false)
}

/// Tells secrets from other properties, by name, and by value where an address
/// carries a password.
pub(super) fn split_addresses(properties: IndexMap<String, String>) -> SplitProperties {
    split(properties, carries_password)
}

fn split(properties: IndexMap<String, String>, is_secret: impl Fn(&str) -> bool) -> SplitProperties {
    let mut found = SplitProperties::default();
    for (name, value) in properties {
        if is_secret_property(&name) || is_secret(&value) {
            found.secrets.insert(name, value.into());
        } else {
            found.plain.insert(name, value);
        }
    }
    found
}

/// Whether an address holds a password: `scheme://user:password@host`, or a
/// parameter such as `?password=…`.
fn carries_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user_info = authority.rsplit_once('@').map(|(user, _)| user);
    let parameters = rest.split_once(['?', ';']).map(|(_, parameters)| parameters).unwrap_or_default();
    user_info.is_some_and(|user| user.contains(':'))
        || parameters
            .split(['&', ';'])
            .filter_map(|parameter| parameter.split_once('='))
            .any(|(name, value)| !value.is_empty() && is_secret_property(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_makes_the_address_a_secret() {
        let value =
            |value: &str| split_addresses(IndexMap::from([("jdbc_uri".to_string(), value.to_string())]));
        for secret in [
            "jdbc:mysql://u:p@h:3306/d",
            "jdbc:postgresql://h/d?user=u&password=x",
            "jdbc:sqlserver://h;user=u;password=x",
        ] {
            assert_eq!(value(secret).plain.len(), 0, "{secret}");
        }
        for plain in
            ["jdbc:mysql://h:3306/d", "thrift://a:1,thrift://b:2", "s3://bucket/a@b", "u:p@h", "h?password="]
        {
            assert_eq!(value(plain).secrets.len(), 0, "{plain}");
        }
    }
}
