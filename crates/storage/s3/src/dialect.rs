//! How a vendor departs from S3, as data.

/// How a vendor that speaks the protocol of S3 departs from it, and how its
/// properties are called. The vendor's crate says where each fact comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dialect {
    /// The vendor's name in messages.
    pub vendor: &'static str,
    /// Whether many objects are deleted by one request.
    pub batch_delete: bool,
    /// Whether a range of one object can become a part of another. Without
    /// it, `copy` replaces a condition by looking first.
    pub part_copy: bool,
    /// Whether `If-Match` on a write is kept.
    pub if_match: bool,
    /// A header of the vendor's own that forbids to replace an object, sent in
    /// the place of `If-None-Match`.
    pub create_new_header: Option<(&'static str, &'static str)>,
    /// Whether names in listings can be asked for in URL encoding.
    pub url_encoded_listing: bool,
    /// How the properties are called.
    pub names: Names,
}

/// What a person must change when something is wrong.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Names {
    /// The property with the access key.
    pub access_key: &'static str,
    /// The property with the secret key.
    pub secret_key: &'static str,
    /// The property with the session token, where there is one.
    pub session_token: Option<&'static str>,
    /// The property with the region, where it is not part of the endpoint.
    pub region: Option<&'static str>,
    /// The property with the endpoint.
    pub endpoint: &'static str,
    /// The property that turns TLS on and off.
    pub ssl: &'static str,
}

impl Names {
    /// The names of the properties that every vendor has.
    pub const fn new(
        access_key: &'static str,
        secret_key: &'static str,
        endpoint: &'static str,
        ssl: &'static str,
    ) -> Self {
        Self { access_key, secret_key, session_token: None, region: None, endpoint, ssl }
    }

    /// Adds the property with the session token.
    #[must_use]
    pub const fn session_token(mut self, name: &'static str) -> Self {
        self.session_token = Some(name);
        self
    }

    /// Adds the property with the region.
    #[must_use]
    pub const fn region(mut self, name: &'static str) -> Self {
        self.region = Some(name);
        self
    }
}

impl Dialect {
    /// S3 as Amazon and most servers speak it.
    pub const fn s3(vendor: &'static str, names: Names) -> Self {
        Self {
            vendor,
            batch_delete: true,
            part_copy: true,
            if_match: true,
            create_new_header: None,
            url_encoded_listing: true,
            names,
        }
    }

    /// Forbids to replace an object by a header of the vendor's own. Vendors
    /// that have one do not keep `If-Match` on a write.
    #[must_use]
    pub const fn forbids_overwrite_by(mut self, name: &'static str, value: &'static str) -> Self {
        self.create_new_header = Some((name, value));
        self.if_match = false;
        self
    }

    /// Does not trust `If-Match` on a write.
    #[must_use]
    pub const fn without_if_match(mut self) -> Self {
        self.if_match = false;
        self
    }

    /// Google's S3 interface ("Interoperability", "XML API" in the Cloud
    /// Storage documentation): no request that deletes many objects, no
    /// copying into parts, and conditions on writes are generation numbers in
    /// `x-goog-` headers, which it refuses beside the `x-amz-` ones of a
    /// signature. Whether `If-None-Match` is kept is left to the probe.
    #[must_use]
    pub const fn google(mut self) -> Self {
        self.vendor = "Google Cloud Storage";
        self.batch_delete = false;
        self.part_copy = false;
        self.if_match = false;
        self
    }
}
