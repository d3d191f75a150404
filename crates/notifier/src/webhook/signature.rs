//! The signature by which a receiver knows that a message is headroom's, unchanged and of now.

use headroom_policy_engine::Timestamp;
use hmac::{Hmac, Mac};
use reqwest::header::HeaderValue;
use sha2::Sha256;

use super::{hex, hex_header};

/// What goes with a signed body.
pub(super) struct Signed {
    /// When it was signed, in seconds since the Unix epoch.
    pub(super) timestamp: HeaderValue,
    /// `v1=` and the HMAC-SHA256 of the timestamp, a dot and the body, in hex.
    pub(super) signature: HeaderValue,
}

pub(super) fn sign(key: &str, at: Timestamp, body: &[u8]) -> Signed {
    let timestamp = at.unix_millis().div_euclid(1000);
    let message = [timestamp.to_string().as_bytes(), b".", body].concat();
    let signature = hex(&hmac_sha256(key.as_bytes(), &message));
    Signed {
        timestamp: HeaderValue::from(timestamp),
        signature: hex_header(&format!("v1={signature}")),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4231_come_out() {
        let of = |key: &[u8], message: &[u8]| hex(&hmac_sha256(key, message));
        assert_eq!(
            of(&[0x0b; 20], b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            of(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            of(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
