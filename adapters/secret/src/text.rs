//! A secret text: wiped when it is dropped, never printed, compared in constant time.

use zeroize::Zeroizing;

/// A secret. It has neither `Debug` of its contents nor `Display` nor `Clone`: whoever wants its text
/// says [`Secret::expose`], whoever wants a second one says [`Secret::duplicate`].
pub struct Secret {
    text: Zeroizing<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Secret {
    /// Takes a text over; its memory is wiped when the secret is dropped.
    pub fn new(text: String) -> Secret {
        Secret { text: Zeroizing::new(text) }
    }

    /// From bytes that must be UTF-8. Bytes that are none are wiped too.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Secret> {
        match String::from_utf8(bytes) {
            Ok(text) => Some(Secret::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                None
            }
        }
    }

    /// The text itself. Every use of it is a place to look at when a secret has leaked.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// A second copy.
    #[must_use]
    pub fn duplicate(&self) -> Secret {
        Secret { text: self.text.clone() }
    }

    /// Bytes of it.
    pub fn size_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether both are the same. Takes as long wherever they differ; only the lengths show.
    pub fn is_same(&self, other: &Secret) -> bool {
        let (one, two) = (self.text.as_bytes(), other.text.as_bytes());
        if one.len() != two.len() {
            return false;
        }
        let differing =
            one.iter().zip(two).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        differing == 0
    }

    /// Without the line end that an editor puts behind the last line.
    #[must_use]
    pub(crate) fn without_line_end(mut self) -> Secret {
        let kept = self.text.trim_end_matches(['\n', '\r']).len();
        self.text.truncate(kept);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-of-a-secret";

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new(CANARY.to_string());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(format!("{:#?}", Some(&secret)).matches("canary").count(), 0);
        assert_eq!(secret.expose(), CANARY);
    }

    #[test]
    fn secrets_are_the_same_only_when_every_byte_is() {
        let table = [
            ("", "", true),
            ("a", "a", true),
            (CANARY, CANARY, true),
            ("a", "b", false),
            ("a", "", false),
            ("ab", "ac", false),
            ("ab", "bb", false),
            ("ab", "abc", false),
        ];
        for (one, two, expected) in table {
            let (one, two) = (Secret::new(one.to_string()), Secret::new(two.to_string()));
            assert_eq!(one.is_same(&two), expected);
            assert_eq!(two.is_same(&one), expected);
            assert!(one.is_same(&one.duplicate()));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_no_secret() {
        assert!(Secret::from_bytes(vec![0xff, 0xfe]).is_none());
        assert_eq!(Secret::from_bytes(b"x\n".to_vec()).unwrap().without_line_end().expose(), "x");
    }
}
