//! Values in Action Message Format 0 (Adobe, "Action Message Format -- AMF 0", 2007): what FLV's script tags and the commands of
//! RTMP are written in.
//!
//! Invariants: a value has at most [`MAX_DEPTH`] levels and [`MAX_VALUES`] values in all, strings no more bytes than came, and what is
//! refused names its byte. Written and read again a value is the same.
//!
//! Not here: references, movie clips and AMF 3, which nobody puts into a live stream.

use thiserror::Error;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number; there are no others than floating ones.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text.
    String(String),
    /// Named values in their order.
    Object(Vec<(String, Self)>),
    /// The same, by another marker: what `onMetaData` is.
    EcmaArray(Vec<(String, Self)>),
    /// Values without names.
    StrictArray(Vec<Self>),
    /// Milliseconds since 1970, UTC.
    Date(f64),
    /// Nothing.
    Null,
    /// Not even nothing.
    Undefined,
}

/// Why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("AMF0 at byte {position}: {problem}")]
pub struct Amf0Error {
    /// From the start of what was given.
    pub position: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl Value {
    /// An object of these.
    pub fn object<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub const fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of that name in an object or an ECMA array.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) | Self::EcmaArray(entries) => {
                entries.iter().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Writes it behind what `out` has.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(NUMBER);
                out.extend(number.to_be_bytes());
            }
            Self::Boolean(value) => out.extend([BOOLEAN, u8::from(*value)]),
            Self::String(text) => match u16::try_from(text.len()) {
                Ok(length) => {
                    out.push(STRING);
                    out.extend(length.to_be_bytes());
                    out.extend_from_slice(text.as_bytes());
                }
                Err(_) => {
                    out.push(LONG_STRING);
                    out.extend(length32(text.len()));
                    out.extend_from_slice(text.as_bytes());
                }
            },
            Self::Object(entries) => {
                out.push(OBJECT);
                write_entries(entries, out);
            }
            Self::EcmaArray(entries) => {
                out.push(ECMA_ARRAY);
                out.extend(length32(entries.len()));
                write_entries(entries, out);
            }
            Self::StrictArray(values) => {
                out.push(STRICT_ARRAY);
                out.extend(length32(values.len()));
                values.iter().for_each(|value| value.write(out));
            }
            Self::Date(millis) => {
                out.push(DATE);
                out.extend(millis.to_be_bytes());
                out.extend([0, 0]);
            }
            Self::Null => out.push(NULL),
            Self::Undefined => out.push(UNDEFINED),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// Writes values one behind the other, as commands are.
pub fn write_all(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    values.iter().for_each(|value| value.write(&mut out));
    out
}

/// Reads the values that stand one behind the other in `bytes`.
///
/// # Errors
/// [`Amf0Error`] at the first byte that cannot be.
pub fn read_all(bytes: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    let mut reader = Reader { bytes, position: 0, left: MAX_VALUES };
    let mut values = Vec::new();
    while reader.position < bytes.len() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Values that may still come.
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        if depth >= MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| self.error("too many values"))?;
        let marker = self.take(1)?[0];
        Ok(match marker {
            NUMBER => Value::Number(self.number()?),
            BOOLEAN => Value::Boolean(self.take(1)?[0] != 0),
            STRING => Value::String(self.short_text()?),
            OBJECT => Value::Object(self.entries(depth)?),
            NULL | UNSUPPORTED => Value::Null,
            UNDEFINED => Value::Undefined,
            ECMA_ARRAY => {
                self.take(4)?; // a hint that many writers get wrong
                Value::EcmaArray(self.entries(depth)?)
            }
            STRICT_ARRAY => {
                let count = self.length()?;
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::StrictArray(values)
            }
            DATE => {
                let millis = self.number()?;
                self.take(2)?;
                Value::Date(millis)
            }
            LONG_STRING | XML => {
                let length = self.length()?;
                Value::String(self.text(length)?)
            }
            TYPED_OBJECT => {
                self.short_text()?;
                Value::Object(self.entries(depth)?)
            }
            _ => {
                self.position -= 1;
                return Err(self.error("no type that is known here"));
            }
        })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Amf0Error> {
        let mut entries = Vec::new();
        loop {
            // Some writers end an array with the bytes instead of with its end.
            if self.position == self.bytes.len() && depth == 0 {
                return Ok(entries);
            }
            let name = self.short_text()?;
            if name.is_empty() && self.bytes.get(self.position) == Some(&OBJECT_END) {
                self.position += 1;
                return Ok(entries);
            }
            entries.push((name, self.value(depth + 1)?));
        }
    }

    fn number(&mut self) -> Result<f64, Amf0Error> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<usize, Amf0Error> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn short_text(&mut self) -> Result<String, Amf0Error> {
        let length = u16::from_be_bytes(self.array()?);
        self.text(usize::from(length))
    }

    fn text(&mut self, length: usize) -> Result<String, Amf0Error> {
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let rest = &self.bytes[self.position..];
        let array = *rest.first_chunk().ok_or_else(|| self.error("ends early"))?;
        self.position += N;
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Amf0Error> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..length).ok_or_else(|| self.error("ends early"))?;
        self.position += length;
        Ok(taken)
    }

    const fn error(&self, problem: &'static str) -> Amf0Error {
        Amf0Error { position: self.position, problem }
    }
}

fn write_entries(entries: &[(String, Value)], out: &mut Vec<u8>) {
    for (name, value) in entries {
        // Names come from us, or were read with a length of 16 bits (a byte that was no UTF-8 has become three).
        let length = name.floor_char_boundary(usize::from(u16::MAX));
        out.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&name.as_bytes()[..length]);
        value.write(out);
    }
    out.extend([0, 0, OBJECT_END]);
}

fn length32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Levels of objects and arrays in each other.
pub const MAX_DEPTH: usize = 16;
/// Values in one piece of bytes, those inside others too.
pub const MAX_VALUES: usize = 1_024;

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;
const UNSUPPORTED: u8 = 13;
const XML: u8 = 15;
const TYPED_OBJECT: u8 = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_is_written_as_the_specification_has_it() {
        let command =
            [Value::from("connect"), Value::from(1.0), Value::object([("app", Value::from("live"))])];
        let bytes = write_all(&command);
        let expected = [
            &[2, 0, 7][..],
            b"connect",
            &[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 3, 0, 3],
            b"app",
            &[2, 0, 4],
            b"live",
            &[0, 0, 9],
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(read_all(&bytes).unwrap(), command);
    }

    #[test]
    fn an_array_whose_count_is_wrong_and_whose_end_is_missing_is_read() {
        let bytes = [&[8, 0, 0, 0, 99, 0, 1][..], b"w", &[1, 1]].concat();
        assert_eq!(
            read_all(&bytes).unwrap(),
            [Value::EcmaArray(vec![("w".to_owned(), Value::Boolean(true))])]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_byte() {
        let problem = |bytes: &[u8]| read_all(bytes).unwrap_err().to_string();
        assert_eq!(problem(&[5, 7, 0, 0]), "AMF0 at byte 1: no type that is known here");
        assert_eq!(problem(&[2, 0, 5, b'a']), "AMF0 at byte 3: ends early");
        let deep = [10, 0, 0, 0, 1].repeat(MAX_DEPTH + 1);
        assert!(problem(&deep).contains("nested too deeply"));
        let many = [&[10][..], &u32::MAX.to_be_bytes(), &[5].repeat(2_000)].concat();
        assert!(problem(&many).contains("too many values"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<f64>().prop_filter("NaN is not itself", |n| !n.is_nan()).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,20}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
            (-1e12..1e12).prop_map(Value::Date),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let entries = prop::collection::vec((".{1,9}", inner.clone()), 0..6);
            prop_oneof![
                entries.clone().prop_map(Value::Object),
                entries.prop_map(Value::EcmaArray),
                prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in prop::collection::vec(value(), 0..4)) {
            prop_assert_eq!(read_all(&write_all(&values)).unwrap(), values);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_all(&bytes);
        }
    }
}
