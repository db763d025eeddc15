//! Query parameters, strictly: an unknown, repeated or unreadable one is an error that names it. A filter that is
//! misspelt must not show everything.

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::web;

use crate::http::problem::Problem;

/// Rows in an answer when nobody says how many.
const LIMIT: u32 = 100;

/// Rows in an answer at most.
const LIMIT_MAX: u32 = 1000;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query string in which only `known` parameters may be.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|_| Problem::parameter("query", "must be name=value pairs"))?;
        let mut read = BTreeMap::new();
        for (name, value) in pairs.into_inner() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::parameter(&name, format!("is not known here; known are {}", known.join(", "))));
            }
            if read.contains_key(&name) {
                return Err(Problem::parameter(&name, "is given twice"));
            }
            read.insert(name, value);
        }
        Ok(Self(read))
    }

    /// A parameter as it came.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A parameter that is one of these words.
    pub(super) fn word(
        &mut self,
        name: &str,
        words: impl Iterator<Item = &'static str>,
    ) -> Result<Option<String>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let words: Vec<&str> = words.collect();
        if words.contains(&value.as_str()) {
            return Ok(Some(value));
        }
        Err(Problem::parameter(name, format!("must be one of {}", words.join(", "))))
    }

    /// A parameter that is an id.
    pub(super) fn id<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| Problem::parameter(name, "must be an id, such as a list shows"))
    }

    /// How many rows are wanted.
    pub(super) fn limit(&mut self) -> Result<u32, Problem> {
        self.number("limit", LIMIT, LIMIT_MAX)
    }

    /// A number from 1 to `most`.
    pub(super) fn number(&mut self, name: &str, default: u32, most: u32) -> Result<u32, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(default) };
        let number = value.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| Problem::parameter(name, format!("must be a number from 1 to {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::id::ActionId;

    const KNOWN: [&str; 4] = ["state", "target", "limit", "after"];

    fn refused(text: &str, read: impl Fn(&mut Query) -> Result<(), Problem>) -> String {
        let result = Query::read(text, &KNOWN).and_then(|mut query| read(&mut query));
        result.expect_err("a bad parameter").to_string()
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_would_be_right() {
        let nothing = |_: &mut Query| Ok(());
        let cases = [
            refused("stat=open", nothing),
            refused("state=open&state=held", nothing),
            refused("state=running2", |q| q.word("state", ["open", "held"].into_iter()).map(drop)),
            refused("after=7", |q| q.id::<ActionId>("after").map(drop)),
            refused("limit=0", |q| q.limit().map(drop)),
            refused("limit=1001", |q| q.limit().map(drop)),
            refused("limit=-1", |q| q.limit().map(drop)),
            refused("limit=", |q| q.limit().map(drop)),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r"
        A parameter does not read: stat is not known here; known are state, target, limit, after
        A parameter does not read: state is given twice
        A parameter does not read: state must be one of open, held
        A parameter does not read: after must be an id, such as a list shows
        A parameter does not read: limit must be a number from 1 to 1000
        A parameter does not read: limit must be a number from 1 to 1000
        A parameter does not read: limit must be a number from 1 to 1000
        A parameter does not read: limit must be a number from 1 to 1000
        ");
    }

    #[test]
    fn values_are_decoded_and_the_limit_has_a_default() {
        let mut query = Query::read("target=container%3Alocal%2Fweb-1&state=open", &KNOWN).expect("reads");
        assert_eq!(query.text("target").as_deref(), Some("container:local/web-1"));
        assert_eq!(query.limit().expect("default"), LIMIT);
        assert_eq!(query.id::<ActionId>("after").expect("absent"), None);
    }
}
