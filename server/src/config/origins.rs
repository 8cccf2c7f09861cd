//! Streams that are made from other streams: each must lead to one that is not.

use std::collections::BTreeMap;

use hub::StreamName;

use super::plan::StreamPlan;

/// What is wrong with a stream's origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongOrigin {
    /// It does not exist.
    #[error("there is no stream named {0} to make it from")]
    Missing(StreamName),
    /// It is made from the stream itself.
    #[error("{0}")]
    Circle(String),
}

/// What is wrong with streams' origins, by stream.
pub fn wrong_origins<'s>(
    streams: impl IntoIterator<Item = &'s StreamPlan>,
) -> Vec<(&'s StreamName, WrongOrigin)> {
    let made_from: BTreeMap<_, _> =
        streams.into_iter().map(|stream| (&stream.name, stream.origins().next())).collect();
    made_from.keys().filter_map(|name| Some((*name, wrong(name, &made_from)?))).collect()
}

fn wrong(name: &StreamName, made_from: &BTreeMap<&StreamName, Option<&StreamName>>) -> Option<WrongOrigin> {
    let origin = made_from.get(name).copied().flatten()?;
    if origin == name {
        return Some(WrongOrigin::Circle("a stream cannot be made from itself".to_owned()));
    }
    if !made_from.contains_key(origin) {
        return Some(WrongOrigin::Missing(origin.clone()));
    }
    let mut way = vec![name];
    let mut at = origin;
    loop {
        way.push(at);
        match made_from.get(at).copied().flatten() {
            Some(next) if next == name => {
                let names: Vec<&str> = way.iter().map(|name| name.as_str()).collect();
                let circle = format!("it is made from itself: {} from {name}", names.join(" from "));
                return Some(WrongOrigin::Circle(circle));
            }
            // A loop that this stream is not part of, whose members say so.
            Some(next) if way.contains(&next) => return None,
            Some(next) => at = next,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, made_from: &[(&str, Option<&str>)]) -> Option<String> {
        let of = |text: &str| StreamName::new(text).unwrap();
        let names: Vec<_> = made_from.iter().map(|(name, origin)| (of(name), origin.map(of))).collect();
        let names = names.iter().map(|(name, origin)| (name, origin.as_ref())).collect();
        wrong(&of(name), &names).map(|wrong| wrong.to_string())
    }

    #[test]
    fn a_chain_may_be_long_but_must_begin_somewhere() {
        let chain =
            [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("nobody")), ("e", Some("e"))];
        assert_eq!(problem("a", &chain), None);
        assert_eq!(problem("c", &chain), None);
        assert_eq!(problem("d", &chain).unwrap(), "there is no stream named nobody to make it from");
        assert_eq!(problem("e", &chain).unwrap(), "a stream cannot be made from itself");
    }

    #[test]
    fn a_circle_is_told_by_each_who_is_in_it() {
        let circle = [("a", Some("b")), ("b", Some("c")), ("c", Some("a")), ("d", Some("a"))];
        assert_eq!(problem("a", &circle).unwrap(), "it is made from itself: a from b from c from a");
        assert_eq!(problem("b", &circle).unwrap(), "it is made from itself: b from c from a from b");
        assert_eq!(problem("d", &circle), None);
    }
}
