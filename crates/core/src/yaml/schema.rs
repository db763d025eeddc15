//! JSON Schema (draft 2020-12) of a shape, for editors.
//!
//! Always holds: what fettle reads, the schema accepts. The other way round it cannot: a schema knows nothing of matchers, of
//! names that must exist, or of two keys that contradict each other; `fettle check` does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::shape::{Field, Form, Shape};

/// What the text of an environment variable stands for is not known.
const VARIABLE: &str = r"\$\{";

/// Units as [`crate::duration`] has them.
const DURATION: &str = "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$";

/// The schema of a file of this shape. With `variables`, `${NAME}` may stand for any scalar.
pub fn schema(root: &Shape, title: &str, variables: bool) -> Value {
    let mut writer = Writer { variables, definitions: BTreeMap::new() };
    let Value::Object(body) = writer.map(root) else { return Value::Null };
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!(title));
    whole.extend(body);
    whole.insert("$defs".to_owned(), json!(writer.definitions));
    Value::Object(whole)
}

struct Writer {
    variables: bool,
    definitions: BTreeMap<String, Value>,
}

impl Writer {
    fn map(&mut self, shape: &Shape) -> Value {
        let mut properties = Map::new();
        for field in shape.fields.iter().filter(|it| it.form != Form::Refused) {
            properties.insert(field.key.to_owned(), self.field(field));
        }
        let needed: Vec<&str> =
            shape.fields.iter().filter(|it| matches!(it.form, Form::Needed(_))).map(|it| it.key).collect();
        let mut it = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if !shape.about.is_empty() {
            it["description"] = json!(prose(shape.about));
        }
        if !needed.is_empty() {
            it["required"] = json!(needed);
        }
        if !shape.one_of.is_empty() {
            it["oneOf"] = shape.one_of.iter().map(|key| json!({"required": [key]})).collect();
        }
        it
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut it = self.form(field.form);
        if let (Some(it), false) = (it.as_object_mut(), field.about.is_empty()) {
            it.insert("description".to_owned(), json!(prose(field.about)));
        }
        it
    }

    fn form(&mut self, form: Form) -> Value {
        match form {
            Form::Anything | Form::Refused => json!({}),
            Form::Needed(form) => self.form(*form),
            Form::Maybe(form) => json!({"anyOf": [self.form(*form), {"type": "null"}]}),
            Form::Text => json!({"type": ["string", "number", "boolean"]}),
            // An editor that goes by YAML 1.1 reads `off` as false.
            Form::Word(words) if words.contains(&"off") => {
                let values: Vec<Value> = words.iter().map(|word| json!(word)).chain([json!(false)]).collect();
                self.or_variable(json!({"enum": values}))
            }
            Form::Word(words) => self.or_variable(json!({"enum": words})),
            Form::Like(pattern) => json!({"type": ["string", "number"], "pattern": self.pattern(pattern)}),
            // The one number that needs no unit.
            Form::Duration => {
                json!({"type": ["string", "integer"], "pattern": self.pattern(DURATION), "minimum": 0, "maximum": 0})
            }
            Form::Boolean => self.or_variable(json!({"enum": [true, false, "true", "false"]})),
            Form::Number(least, most) => {
                let pattern = self.pattern("^[0-9]+$");
                json!({"type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": pattern})
            }
            Form::Decimal(least, most) => {
                let pattern = self.pattern("^[0-9]+(\\.[0-9]+)?$");
                json!({"type": ["number", "string"], "minimum": least, "maximum": most, "pattern": pattern})
            }
            Form::Size => {
                let pattern = self.pattern("^[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)?$");
                json!({"type": ["string", "integer"], "minimum": 0, "pattern": pattern})
            }
            Form::Share => {
                let pattern = self.pattern("^0*[1-9][0-9]?%?$");
                json!({"type": ["string", "integer"], "minimum": 1, "maximum": 99, "pattern": pattern})
            }
            Form::List(form) => json!({"type": "array", "items": self.form(*form)}),
            Form::Some(form) => json!({"type": "array", "minItems": 1, "items": self.form(*form)}),
            Form::Names(form) => json!({"type": "object", "additionalProperties": self.form(*form)}),
            Form::Either(forms) => {
                json!({"anyOf": forms.iter().map(|form| self.form(*form)).collect::<Vec<_>>()})
            }
            Form::Map(shape) => {
                let name = shape.name.strip_prefix("Raw").unwrap_or(shape.name).to_owned();
                if !self.definitions.contains_key(&name) {
                    // A shape may hold itself.
                    self.definitions.insert(name.clone(), Value::Null);
                    let it = self.map(shape);
                    self.definitions.insert(name.clone(), it);
                }
                json!({"$ref": format!("#/$defs/{name}")})
            }
        }
    }

    fn or_variable(&self, form: Value) -> Value {
        if self.variables { json!({"anyOf": [form, {"type": "string", "pattern": VARIABLE}]}) } else { form }
    }

    fn pattern(&self, pattern: &str) -> String {
        if self.variables { format!("{VARIABLE}|{pattern}") } else { pattern.to_owned() }
    }
}

/// Doc comments as a sentence: one line, without the marks of links.
fn prose(lines: &[&str]) -> String {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    text.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    proptest! {
        #[test]
        fn the_pattern_of_durations_accepts_what_is_one(text in DURATION.trim_matches(['^', '$'])) {
            // A pattern can neither count digits nor demand one unit of many.
            let read = crate::duration::parse(&text);
            prop_assert!(read.is_ok() || text.is_empty() || read.is_err_and(|it| it.message.contains("out of range")));
        }

        #[test]
        fn what_is_shown_as_a_duration_fits_the_pattern(ms in 0_u64..1 << 45) {
            let shown = crate::duration::show(std::time::Duration::from_millis(ms));
            prop_assert!(Regex::new(DURATION).expect("a pattern").is_match(&shown), "{shown}");
        }
    }

    #[test]
    fn a_shape_becomes_an_object_that_knows_its_keys() {
        const INNER: Shape = Shape { name: "RawInner", about: &[], one_of: &["a", "b"], fields: &[] };
        const OUTER: Shape = Shape {
            name: "RawOuter",
            about: &[" Of two", " lines."],
            one_of: &[],
            fields: &[
                Field { key: "in", about: &[" See [`that`]."], form: Form::Needed(&Form::List(&Form::Map(&INNER))) },
                Field { key: "for", about: &[], form: Form::Maybe(&Form::Duration) },
            ],
        };
        insta::assert_json_snapshot!(schema(&OUTER, "t", true));
    }
}
