//! The fields of Robopipe's objects: what they hold, and what is wrong with a value that they do not.
//!
//! Messages are those of pydantic, which Robopipe's clients have met. Both the judgement and the OpenAPI document are made from these.

use serde_json::{Value, json};

use super::errors::Wrong;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number within bounds.
    Int(i64, i64),
    /// A number within bounds.
    Float(f64, f64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Width and height in pixels.
    Size,
}

/// Pixels of a side.
const SIDE: Kind = Kind::Int(1, 65_535);

impl Kind {
    /// The value as this kind has it, so that two equal ones are equal.
    ///
    /// # Errors
    /// What is wrong with it, at `loc`.
    pub(super) fn judge(self, value: &Value, loc: &[&str]) -> Result<Value, Wrong> {
        let wrong = |kind, msg: &str| Wrong::new(kind, loc, msg, value.clone());
        match self {
            Self::Int(least, most) => {
                let number =
                    value.as_f64().ok_or_else(|| wrong("int_type", "Input should be a valid integer"))?;
                // Everything up to 2^53 is exact; what is above is beyond every bound here.
                if number.fract() != 0.0 || number.abs() > 9e15 {
                    return Err(wrong(
                        "int_from_float",
                        "Input should be a valid integer, got a number with a fractional part",
                    ));
                }
                within(number, least as f64, most as f64, value, loc)?;
                Ok(json!(number as i64))
            }
            Self::Float(least, most) => {
                let number =
                    value.as_f64().ok_or_else(|| wrong("float_type", "Input should be a valid number"))?;
                within(number, least, most, value, loc)?;
                Ok(json!(number))
            }
            Self::Bool if value.is_boolean() => Ok(value.clone()),
            Self::Bool => Err(wrong("bool_type", "Input should be a valid boolean")),
            Self::Choice(words) => {
                if value.as_str().is_some_and(|word| words.contains(&word)) {
                    return Ok(value.clone());
                }
                let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                let expected = match quoted.split_last() {
                    Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
                    _ => quoted.concat(),
                };
                Err(wrong("enum", &format!("Input should be {expected}"))
                    .with(json!({ "expected": expected })))
            }
            Self::Size => {
                let sides = value.as_array().filter(|sides| sides.len() == 2);
                let sides = sides.ok_or_else(|| {
                    wrong("tuple_type", "Input should be a valid tuple: width and height in pixels")
                })?;
                let side = |at: usize| {
                    let index = ["0", "1"][at];
                    SIDE.judge(&sides[at], &[loc, &[index]].concat())
                };
                Ok(json!([side(0)?, side(1)?]))
            }
        }
    }

    /// As JSON Schema.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Int(i64::MIN, _) => json!({ "type": "integer" }),
            Self::Int(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Float(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Choice(words) => json!({ "type": "string", "enum": words }),
            Self::Size => {
                json!({ "type": "array", "items": SIDE.schema(), "minItems": 2, "maxItems": 2 })
            }
        }
    }
}

fn within(number: f64, least: f64, most: f64, value: &Value, loc: &[&str]) -> Result<(), Wrong> {
    let bound = |bound: f64| if bound.fract() == 0.0 { json!(bound as i64) } else { json!(bound) };
    let (kind, name, words, limit) = if number < least {
        ("greater_than_equal", "ge", "greater than or equal to", bound(least))
    } else if number > most {
        ("less_than_equal", "le", "less than or equal to", bound(most))
    } else {
        return Ok(());
    };
    let message = format!("Input should be {words} {limit}");
    Err(Wrong::new(kind, loc, message, value.clone()).with(json!({ name: limit })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(kind: Kind, value: impl Into<Value>) -> (&'static str, String, Option<Value>) {
        let wrong = kind.judge(&value.into(), &["body", "x"]).unwrap_err();
        (wrong.kind, wrong.msg.into(), wrong.ctx)
    }

    #[test]
    fn what_is_wrong_is_said_as_pydantic_says_it() {
        let (kind, message, context) = wrong(Kind::Int(-10, 10), json!(30));
        assert_eq!((kind, message.as_str()), ("less_than_equal", "Input should be less than or equal to 10"));
        assert_eq!(context, Some(json!({ "le": 10 })));
        assert_eq!(wrong(Kind::Int(1, 5), json!(0)).2, Some(json!({ "ge": 1 })));
        assert_eq!(wrong(Kind::Int(1, 5), json!(1.5)).0, "int_from_float");
        assert_eq!(wrong(Kind::Int(1, 5), json!("3")).0, "int_type");
        assert_eq!(wrong(Kind::Float(0.0, 1.0), json!(1.01)).0, "less_than_equal");
        assert_eq!(wrong(Kind::Bool, json!("yes")).0, "bool_type");
        assert_eq!(wrong(Kind::Choice(&["A", "B", "C"]), json!("D")).1, "Input should be 'A', 'B' or 'C'");
        assert_eq!(wrong(Kind::Size, json!([1])).0, "tuple_type");
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        assert_eq!(Kind::Int(1, 5).judge(&json!(3.0), &[]).unwrap(), json!(3));
        assert_eq!(Kind::Float(0.0, 60.0).judge(&json!(30), &[]).unwrap(), json!(30.0));
        assert_eq!(Kind::Size.judge(&json!([640, 360.0]), &[]).unwrap(), json!([640, 360]));
    }
}
