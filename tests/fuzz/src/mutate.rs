//! Changes to inputs: bytes, lines, words, numbers, nesting, and parts of other inputs.

use crate::rng::Rng;
use crate::worker::LARGEST;

/// What breaks readers of YAML, JSON, numbers and text.
const NASTY: [&str; 40] = [
    "\u{feff}",
    "\0",
    "\t",
    "\r\n",
    "\r",
    "\u{2028}",
    "\u{85}",
    "\u{202e}",
    "é",
    "\u{10ffff}",
    "---\n",
    "...\n",
    "- ",
    ": ",
    "? ",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!binary ",
    "!x ",
    "|\n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "%YAML 1.1\n",
    "null",
    "~",
    "true",
    ".nan",
    "0x7fffffffffffffff",
    "-1",
    "1e400",
    "99999999999999999999",
    "${X",
    "$labels.",
];

/// A changed input of the pool.
pub fn mutate(pool: &[Vec<u8>], words: fn() -> &'static [String], rng: &mut Rng) -> Vec<u8> {
    let mut it = rng.pick(pool).clone();
    for _ in 0..=rng.below(4) {
        change(&mut it, pool, words(), rng);
    }
    it.truncate(LARGEST);
    it
}

fn change(it: &mut Vec<u8>, pool: &[Vec<u8>], words: &[String], rng: &mut Rng) {
    let at = below(rng, it.len() + 1);
    match rng.below(13) {
        0 if !it.is_empty() => {
            let at = at.min(it.len() - 1);
            it[at] ^= 1 << rng.below(8);
        }
        1 => it.insert(at, u8::try_from(rng.below(256)).unwrap_or(0)),
        2 => {
            let end = (at + below(rng, 16) + 1).min(it.len());
            it.drain(at.min(end)..end);
        }
        3 => {
            let end = (at + below(rng, 200) + 1).min(it.len());
            let part = it[at.min(end)..end].to_vec();
            insert(it, below(rng, it.len() + 1), &part);
        }
        4 | 5 => insert(it, at, rng.pick(&NASTY).as_bytes()),
        6 | 7 if !words.is_empty() => insert(it, at, rng.pick(words).as_bytes()),
        8 => lines(it, rng),
        9 => {
            let other = rng.pick(pool);
            let from = below(rng, other.len() + 1);
            let end = (from + below(rng, 400)).min(other.len());
            insert(it, at, &other[from..end]);
        }
        10 => {
            let unit = rng.pick(&["[", "{a: ", "- ", "(", "a", "\"", "\\", "(?:", "a{9}", "  ", "{\"a\":", "*"]);
            insert(it, at, unit.repeat(below(rng, 600)).as_bytes());
        }
        11 => number(it, rng),
        _ => it.truncate(at),
    }
}

fn below(rng: &mut Rng, n: usize) -> usize {
    usize::try_from(rng.below(n as u64)).unwrap_or(0)
}

fn insert(it: &mut Vec<u8>, at: usize, part: &[u8]) {
    it.splice(at..at, part.iter().copied());
}

/// Takes a line out, doubles it, moves it, or indents it otherwise.
fn lines(it: &mut Vec<u8>, rng: &mut Rng) {
    let mut lines: Vec<Vec<u8>> = it.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = below(rng, lines.len());
    match rng.below(4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let line = lines.remove(at);
            lines.insert(below(rng, lines.len() + 1), line);
        }
        _ if rng.chance(500) => insert(&mut lines[at], 0, b"  "),
        _ => {
            let spaces = lines[at].iter().take_while(|byte| **byte == b' ').count();
            lines[at].drain(..spaces.min(2));
        }
    }
    *it = lines.join(&b'\n');
}

/// Another number in the place of one.
fn number(it: &mut Vec<u8>, rng: &mut Rng) {
    let digits: Vec<usize> = (0..it.len()).filter(|at| it[*at].is_ascii_digit()).collect();
    if digits.is_empty() {
        return;
    }
    let at = *rng.pick(&digits);
    let end = (at..it.len()).find(|at| !it[*at].is_ascii_digit()).unwrap_or(it.len());
    let other = *rng.pick(&[
        "0",
        "-0",
        "1",
        "18446744073709551615",
        "9223372036854775808",
        "1000",
        "1001",
        "00",
        "1.5",
        "1_000",
    ]);
    it.splice(at..end, other.bytes());
}
