//! Random 128-bit identities.

use std::{fmt, str::FromStr};

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new random identity from the operating system's generator.
            ///
            /// # Errors
            /// `Internal` when the system has no randomness to give.
            pub fn random() -> crate::Result<Self> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)
                    .map_err(|e| crate::Error::internal("the system gives no random numbers").because(e))?;
                Ok(Self(bytes))
            }

            /// Wraps 16 bytes that are an identity already.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                let bad = || crate::Error::invalid("an identity has 32 lower-case hex digits");
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(bad());
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| bad())?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

identity! {
    /// One run of BACKUP or RESTORE. Also the name of the folder that the run
    /// writes to in a repository, so no two runs ever write one key.
    JobId
}

identity! {
    /// One version of the data of one partition. Random and never used again:
    /// equal ids mean equal rows, whatever version numbers say.
    VersionId
}

identity! {
    /// One repository, given when it is first written.
    RepositoryId
}

identity! {
    /// One warehouse (StarRocks: cluster), given when it is created.
    ClusterId
}
