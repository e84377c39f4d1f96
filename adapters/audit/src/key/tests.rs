//! Keys: kept from others, read back, shown nowhere.

use super::*;

#[test]
fn a_key_is_made_once_for_its_owner_alone_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEY_FILE);
    let key = SigningKey::read_or_create(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let again = SigningKey::read_or_create(&path).unwrap();
    assert_eq!(again.public(), key.public());
    let other = SigningKey::create(&dir.path().join("other.pem")).unwrap();
    assert_ne!(other.public(), key.public());

    let signature = key.sign(b"message");
    assert!(key.public().holds(b"message", &signature));
    assert!(!key.public().holds(b"messagf", &signature));
    assert!(!other.public().holds(b"message", &signature));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEY_FILE);
    SigningKey::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o610] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = SigningKey::read(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: found, .. } if found == mode), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    SigningKey::read(&path).unwrap();
}

#[test]
fn the_public_half_survives_its_pem_and_a_private_key_is_no_public_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEY_FILE);
    let key = SigningKey::create(&path).unwrap();
    let public = dir.path().join(PUBLIC_KEY_FILE);
    publish(&public, key.public()).unwrap();
    assert_eq!(PublicKey::read(&public).unwrap(), key.public());
    assert!(matches!(PublicKey::read(&path), Err(KeyError::Form { .. })));
    std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(SigningKey::read(&public), Err(KeyError::Form { .. })));
    for text in [
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ] {
        std::fs::write(&public, text).unwrap();
        assert!(matches!(PublicKey::read(&public), Err(KeyError::Form { .. })), "{text}");
    }
}

#[test]
fn a_key_made_elsewhere_without_its_public_half_is_taken() {
    // RFC 8410, section 10.3: a version 1 document.
    let text = "-----BEGIN PRIVATE KEY-----\n\
                MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                -----END PRIVATE KEY-----\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEY_FILE);
    write_atomic(&path, text.as_bytes(), 0o600).unwrap();
    let key = SigningKey::read(&path).unwrap();
    // The public key of the same section.
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                  -----END PUBLIC KEY-----\n";
    assert_eq!(key.public().to_pem(), public);
}

#[test]
fn neither_a_key_nor_an_error_shows_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEY_FILE);
    let key = SigningKey::create(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let secret = text.lines().nth(1).unwrap();
    let shown = format!("{key:?}");
    assert!(!shown.contains(secret));
    assert!(shown.contains(&key.public().short()));
    write_atomic(&path, text.replace("PRIVATE", "PUBLIC").as_bytes(), 0o600).unwrap();
    let error = SigningKey::read(&path).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret));
}
