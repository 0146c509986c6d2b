//! The algorithms of tokens that are taken: signatures with a public key, and no others. A token does not choose.

use jsonwebtoken::Algorithm;

const TAKEN: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// The algorithm that `word` names, if it is taken.
pub fn named(word: &str) -> Option<Algorithm> {
    TAKEN.iter().find(|(known, _)| *known == word).map(|(_, algorithm)| *algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_a_reader_could_have_signed() {
        for word in ["none", "None", "", "HS256", "HS384", "HS512", "rs256", "ES256K", "RSA1_5"] {
            assert_eq!(named(word), None, "{word}");
        }
        assert_eq!(named("PS384"), Some(Algorithm::PS384));
    }
}
