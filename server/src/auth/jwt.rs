//! JSON Web Tokens (RFC 7519): somebody else says who may do what, and signs it.
//!
//! The keys are the configuration's or its issuer's (see `keys`), and so are the algorithms, by the kind of key: a token cannot choose to be
//! checked more easily. It must end some day.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use jsonwebtoken::{DecodingKey, Header, Validation};
use serde_json::Value;

use super::keys::{Key, KeyFile, RemoteKeys};
use super::rights::Rights;

/// What is asked of a token.
#[derive(Debug)]
pub(super) struct Jwt {
    pub(super) keys: Keys,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    /// The claim that holds the rights.
    pub(super) claim: String,
}

/// What signatures are checked with.
pub(super) enum Keys {
    /// A secret that the issuer has too: HS256, HS384, HS512.
    Secret(DecodingKey),
    /// Public keys in a file: RS, PS, ES, EdDSA.
    File(KeyFile),
    /// Such keys at their issuer's address.
    Remote(Arc<RemoteKeys>),
}

/// What a good token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) name: Arc<str>,
    pub(super) rights: Arc<Rights>,
    /// Unix seconds.
    pub(super) expires: u64,
}

impl Jwt {
    /// What a token says, if its signature, issuer, audience and form are good. Its end is not looked at.
    pub(super) fn read(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        match &self.keys {
            Keys::Secret(key) => self.read_with(token, key),
            Keys::File(file) => self.read_with_any(token, &header, &file.keys()),
            Keys::Remote(remote) => self.read_with_any(token, &header, &remote.keys()),
        }
    }

    fn read_with_any(&self, token: &str, header: &Header, keys: &[Key]) -> Option<Claims> {
        let mut fitting = keys.iter().filter(|key| header.kid.is_none() || key.id == header.kid);
        fitting.find_map(|key| self.read_with(token, &key.key))
    }

    /// Whom to ask, if a token names a key that is not known and its issuer may be asked now.
    pub(super) fn unknown_key(&self, token: &str) -> Option<&Arc<RemoteKeys>> {
        let Keys::Remote(remote) = &self.keys else { return None };
        let header = jsonwebtoken::decode_header(token).ok()?;
        let keys = remote.keys();
        let unknown = keys.is_empty() || header.kid.is_some() && keys.iter().all(|key| key.id != header.kid);
        (unknown && remote.may_be_asked(Instant::now())).then_some(remote)
    }

    /// The issuer whose keys are fetched, if any are.
    pub(super) fn remote(&self) -> Option<&Arc<RemoteKeys>> {
        match &self.keys {
            Keys::Remote(remote) => Some(remote),
            Keys::Secret(_) | Keys::File(_) => None,
        }
    }

    fn read_with(&self, token: &str, key: &DecodingKey) -> Option<Claims> {
        let mut validation = Validation::new_for_family(key.family());
        let mut required = vec!["exp"];
        // Whoever holds the token learns that it has expired, so that is asked later (see `Policy::identity`).
        validation.validate_exp = false;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let claims = jsonwebtoken::decode::<Value>(token, key, &validation).ok()?.claims;
        let rights = claims.get(&self.claim)?;
        let name: String =
            claims.get("sub").and_then(Value::as_str).unwrap_or("jwt").chars().take(MAX_NAME).collect();
        // A number as RFC 7519 §2 has it may have a fraction; none of ours is so large that this loses anything.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let expires =
            claims.get("exp").and_then(|exp| exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64)))?;
        let rights = Arc::new(serde_json::from_value(rights.clone()).ok()?);
        Some(Claims { name: name.into(), rights, expires })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret(…)"),
            Self::File(file) => file.fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, EncodingKey, encode};
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn jwt() -> Jwt {
        Jwt {
            keys: Keys::Secret(DecodingKey::from_secret(SECRET)),
            issuer: Some("https://id.example".to_owned()),
            audience: Some("cameras".to_owned()),
            claim: "firstlight".to_owned(),
        }
    }

    fn claims() -> Value {
        json!({ "iss": "https://id.example", "aud": ["cameras", "x"], "sub": "anna", "exp": 4_000_000_000_u64,
            "firstlight": { "view": ["front"] } })
    }

    fn signed(claims: &Value) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap()
    }

    #[test]
    fn a_token_says_who_and_what() {
        let read = jwt().read(&signed(&claims())).unwrap();
        assert_eq!((&*read.name, read.expires), ("anna", 4_000_000_000));
        assert!(read.rights.on(crate::auth::Right::View, &hub::StreamName::new("front").unwrap()));
    }

    #[test]
    fn a_token_with_anything_wrong_says_nothing() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut claims = claims();
            change(&mut claims);
            jwt().read(&signed(&claims))
        };
        assert_eq!(with(&|c| c["iss"] = json!("https://evil.example")), None);
        assert_eq!(with(&|c| c["aud"] = json!("shop")), None);
        assert_eq!(with(&|c| c["nbf"] = json!(3_999_999_999_u64)), None);
        assert_eq!(with(&|c| c["firstlight"] = json!({ "see": ["*"] })), None);
        for missing in ["iss", "aud", "exp", "firstlight"] {
            assert_eq!(with(&|c| drop(c.as_object_mut().unwrap().remove(missing))), None, "{missing}");
        }
        let good = signed(&claims());
        assert_eq!(jwt().read(&good[..good.len() - 2]), None);
        assert_eq!(jwt().read("a.b.c"), None);
        // {"alg":"none"}, and no signature.
        let payload = good.split('.').nth(1).unwrap();
        assert_eq!(jwt().read(&format!("eyJhbGciOiJub25lIn0.{payload}.")), None);
        let other =
            encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"another")).unwrap();
        assert_eq!(jwt().read(&other), None);
    }

    #[test]
    fn keys_come_from_a_file_and_are_renewed_with_it() {
        let set = |secret: &[u8], id: &str| {
            let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(secret).unwrap();
            let key = URL_SAFE_NO_PAD.encode(aws_lc_rs::signature::KeyPair::public_key(&pair));
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": key }] }).to_string()
        };
        let sign = |secret: &[u8], id: &str| {
            let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
            encode(&header, &claims(), &EncodingKey::from_ed_der(secret)).unwrap()
        };
        let pair = || {
            let random = aws_lc_rs::rand::SystemRandom::new();
            aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec()
        };
        let (first, second) = (pair(), pair());
        let path = std::env::temp_dir().join(format!("firstlight-jwks-{}", std::process::id()));
        fs::write(&path, set(&first, "first")).unwrap();
        let jwt = Jwt { keys: Keys::File(KeyFile::open(path.clone()).unwrap()), ..jwt() };
        assert!(jwt.read(&sign(&first, "first")).is_some());
        assert!(jwt.read(&sign(&second, "second")).is_none());
        // A token signed with what everybody can read, as if it were a secret.
        assert!(jwt.read(&signed(&claims())).is_none());

        fs::write(&path, set(&second, "second!")).unwrap();
        assert!(jwt.read(&sign(&second, "second!")).is_some());
        assert!(jwt.read(&sign(&first, "first")).is_none());
        fs::write(&path, "none").unwrap();
        assert!(jwt.read(&sign(&second, "second!")).is_some());
        fs::remove_file(&path).unwrap();
        assert!(KeyFile::open(path).is_err());
    }
}
