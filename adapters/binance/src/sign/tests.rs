//! Signatures: vectors of the documents, and keys that are refused.

use super::*;

const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// Of the venue's FIX documentation.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n\
    -----END PRIVATE KEY-----\n";

#[track_caller]
fn check(signer: &Signer, payload: &str, signature: &str) {
    let mut out = String::from("kept");
    signer.sign(payload.as_bytes(), &mut out);
    assert_eq!(out, format!("kept{signature}"));
}

#[test]
fn hmac_signatures_are_those_of_the_documentation() {
    let signer = Signer::hmac(SECRET).unwrap();
    check(
        &signer,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
         &recvWindow=5000&timestamp=1499827319559",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    );
    check(
        &signer,
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT\
         &timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    );
    check(
        &signer,
        "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A&price=52000.00\
         &quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC\
         &timestamp=1645423376532&type=LIMIT",
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    );
}

#[test]
fn ed25519_signatures_are_those_of_the_documentation() {
    let signer = Signer::ed25519(PEM).unwrap();
    check(
        &signer,
        "A\u{1}EXAMPLE\u{1}SPOT\u{1}1\u{1}20240627-11:17:25.223",
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA==",
    );
    check(
        &signer,
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2\
         &timestamp=1668481559918&recvWindow=5000",
        "inDT086KVIP8vgUfw5sV3VTkescWztiAGlf4x8FLKHM4NInsn0c1kYVLoGMO8cyjfR6vmTku2YQE0gtfVVlfCw==",
    );
    let mut encoded = String::new();
    signer.sign_encoded(b"A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223", &mut encoded);
    assert!(encoded.contains("%2B5Udl") && encoded.ends_with("%3D%3D"), "{encoded}");
}

#[test]
fn a_key_is_never_printed_and_a_bad_one_is_refused() {
    let shown = format!("{:?}", Signer::hmac(SECRET).unwrap());
    assert_eq!(shown, "Signer { kind: \"hmac\", .. }");
    let shown = format!("{:?}", Signer::ed25519(PEM).unwrap());
    assert_eq!(shown, "Signer { kind: \"ed25519\", .. }");
    for (pem, why) in [
        (String::new(), KeyError::NotPem),
        (PEM.replace("END", "STOP"), KeyError::NotPem),
        (PEM.replace("MC4C", "M!4C"), KeyError::NotBase64),
        (PEM.replace("MC4C", "MC4D"), KeyError::NotEd25519),
        ("x".repeat(PEM_SIZE_BYTES_MAX + 1), KeyError::NotPem),
    ] {
        assert_eq!(Signer::ed25519(&pem).unwrap_err(), why);
    }
    assert_eq!(Signer::hmac("").unwrap_err(), KeyError::Empty);
}
