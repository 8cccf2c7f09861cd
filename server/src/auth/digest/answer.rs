//! What follows `Authorization: Digest` (RFC 7616 §3.4, and RFC 2069 for those who know no more).
//!
//! Only reads; nothing is believed here. It stands alone, so that it can be fuzzed without the server.

/// Somebody's proof that they know a secret; it holds none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who they say they are.
    pub user: String,
    /// Where, as we said.
    pub realm: String,
    /// What we gave them to answer.
    pub nonce: String,
    /// What they ask for.
    pub uri: String,
    /// What it was hashed with; left out, MD5.
    pub algorithm: Option<String>,
    /// With `qop=auth`: the count of the nonce's uses and the client's own nonce, as written.
    pub counted: Option<(String, String)>,
    /// The proof, in hexadecimal digits.
    pub response: String,
}

/// It says `Digest`, and then nothing that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

impl Answer {
    /// Reads the header's value; `None` if it is of another scheme.
    pub fn parse(value: &str) -> Option<Result<Self, Garbled>> {
        let (scheme, rest) = value.trim_start().split_once([' ', '\t'])?;
        scheme.eq_ignore_ascii_case("digest").then(|| Self::of(rest).ok_or(Garbled))
    }

    fn of(text: &str) -> Option<Self> {
        let mut parameters = parameters(text)?;
        let mut take = |name: &str| {
            let at = parameters.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(parameters.swap_remove(at).1)
        };
        let qop = take("qop");
        let counted = match qop.as_deref() {
            None | Some("") => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let count = take("nc").filter(|nc| nc.len() == 8 && is_hex(nc))?;
                Some((count, take("cnonce")?))
            }
            // The body is vouched for by nobody's client.
            Some(_) => return None,
        };
        Some(Self {
            user: take("username")?,
            realm: take("realm")?,
            nonce: take("nonce")?,
            uri: take("uri")?,
            algorithm: take("algorithm"),
            counted,
            response: take("response").filter(|response| is_hex(response))?,
        })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `name=value, name="value"`, each name once; `None` if it is not that.
fn parameters(text: &str) -> Option<Vec<(&str, String)>> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut rest = text.trim_start_matches(SEPARATORS);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (name, after) = (name.trim_end(), after.trim_start());
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_*".contains(c);
        if name.is_empty() || !name.chars().all(is_name) || found.len() == MOST {
            return None;
        }
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(SEPARATORS).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        if found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return None;
        }
        found.push((name, value));
        rest = tail.trim_start_matches(SEPARATORS);
    }
    Some(found)
}

/// What stands up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => {
                value.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Some((value, &text[at + 1..])),
            _ => value.push(c),
        }
    }
    None
}

const SEPARATORS: [char; 3] = [',', ' ', '\t'];
/// Parameters of an answer: there are twelve.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_clients_write_them() {
        let modern = "Digest username=\"an\\\"na\", realm=\"firstlight\", uri=\"rtsp://h/front\", algorithm=SHA-256, nonce=\"n,=\", \
                      nc=00000001, cnonce=\"c\", qop=auth, response=\"00ff\", opaque=\"x\"";
        let answer = Answer::parse(modern).unwrap().unwrap();
        assert_eq!((answer.user.as_str(), answer.nonce.as_str()), ("an\"na", "n,="));
        assert_eq!(answer.counted, Some(("00000001".to_owned(), "c".to_owned())));
        assert_eq!(answer.algorithm.as_deref(), Some("SHA-256"));
        let old = "digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"/front\",response=\"AB\"";
        let answer = Answer::parse(old).unwrap().unwrap();
        assert_eq!((answer.counted, answer.algorithm, answer.response.as_str()), (None, None, "AB"));
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        assert_eq!(Answer::parse("Basic dTpw"), None);
        assert_eq!(Answer::parse("Digest"), None);
        let good = "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"/\"";
        for wrong in [
            String::new(),
            good.to_owned(),
            format!("{good}, response=\"ab"),
            format!("{good}, response=xy"),
            format!("{good}, response=ab, response=cd"),
            format!("{good}, response=ab, qop=auth-int, nc=00000001, cnonce=c"),
            format!("{good}, response=ab, qop=auth, nc=1, cnonce=c"),
            format!("{good}, response=ab, qop=auth, nc=00000001"),
            format!("{good}, response=ab, =x"),
            format!("{good}, response=ab{}", (0..20).map(|n| format!(", p{n}=x")).collect::<String>()),
        ] {
            assert_eq!(Answer::parse(&format!("Digest {wrong}")), Some(Err(Garbled)), "{wrong}");
        }
    }
}
