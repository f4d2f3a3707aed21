//! Names that are almost right.

/// Whether `given` was likely meant to be `known`, a name of a property: the
/// same letters and digits, in another case or with other separators; or up to
/// two slips (a letter too many, missing, wrong, or two exchanged), one in a
/// name of less than 12 bytes. Equal names are no slip.
pub fn is_slip(given: &str, known: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let most = if known.len() < 12 { 1 } else { 2 };
    let near = || strsim::osa_distance(&given.to_lowercase(), &known.to_lowercase()) <= most;
    given != known && (letters(given) == letters(known) || near())
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn a_slip_is_near_and_not_the_same() {
        for (given, known) in [
            ("Path", "path"),
            ("fomat", "format"),
            ("max-upload-rate", "max_upload_rate"),
            ("max_uplaod_rat", "max_upload_rate"),
            ("AWS.S3.ACCESS_KYE", "aws.s3.access_key"),
        ] {
            assert!(is_slip(given, known), "{given}");
        }
        for (given, known) in
            [("path", "path"), ("parts", "path"), ("max_rate", "max_upload_rate"), ("", "path")]
        {
            assert!(!is_slip(given, known), "{given}");
        }
    }
}
