//! Character classes: `[…]`, `\d` and its kin, `[:alpha:]`, `\p{…}`, and single characters under `(?i)`.
//!
//! Always holds: `\d \w \s` and `[:…:]` are ASCII, folding under `(?i)` comes before negation and is Unicode's simple
//! folding (so `(?i)\w` has the long s and the Kelvin sign, as in Go), and set operators do not exist.
//! `\p{…}` takes general categories and script names exactly as Unicode spells them, which every Go accepts (`\p{C}` has
//! the unassigned code points too, as since Go 1.25).
//! `\p{greek}`, `\p{Letter}` and `\p{ASCII}` came with Go 1.25 and are refused, so a rule accepted here never depends on
//! the Go an Alertmanager was built with.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use super::cursor::{Cursor, SyntaxError};
use super::syntax::Flags;

const DIGIT: &[(char, char)] = &[('0', '9')];
const PERL_SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// `[:name:]` and what it holds.
const POSIX: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// General categories, two letters behind their first; the bare first letter is one too.
const CATEGORIES: &[(char, &str)] =
    &[('C', "cfo"), ('L', "lmotu"), ('M', "cen"), ('N', "dlo"), ('P', "cdefios"), ('S', "ckmo"), ('Z', "lps")];

/// The script names of up to four letters; anything else that short is an ISO code, which Go does not take.
const SHORT_SCRIPTS: &[&str] =
    &["Ahom", "Cham", "Han", "Kawi", "Lao", "Lisu", "Mro", "Newa", "Nko", "Thai", "Toto", "Vai", "Yi"];

/// One character, or its whole case family under `(?i)`. A surrogate is no character and matches nothing.
pub(super) fn literal(code: u32, flags: Flags) -> Hir {
    match char::from_u32(code) {
        None => Hir::fail(),
        Some(c) if flags.fold => Hir::class(Class::Unicode(folded(&[(c, c)], flags))),
        Some(c) => Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// `\d \D \s \S \w \W \p… \P…` if one stands here.
pub(super) fn escaped(cursor: &mut Cursor<'_>, flags: Flags) -> Result<Option<ClassUnicode>, SyntaxError> {
    let Some(kind) = cursor.rest().strip_prefix('\\').and_then(|rest| rest.chars().next()) else { return Ok(None) };
    let ranges = match kind.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => PERL_SPACE,
        'w' => WORD,
        'p' => return property(cursor, flags).map(Some),
        _ => return Ok(None),
    };
    cursor.bump();
    cursor.bump();
    Ok(Some(negated_if(kind.is_ascii_uppercase(), folded(ranges, flags))))
}

/// `[…]`, from its opening bracket.
pub(super) fn bracketed(cursor: &mut Cursor<'_>, flags: Flags) -> Result<Hir, SyntaxError> {
    let start = cursor.at();
    cursor.bump();
    let negated = cursor.eat('^');
    let mut class = ClassUnicode::empty();
    let mut first = true;
    while first || !cursor.eat(']') {
        // A `]` right after the opening is itself.
        first = false;
        let item = match posix(cursor, flags)? {
            None => escaped(cursor, flags)?,
            some => some,
        };
        match item {
            Some(item) => class.union(&item),
            None => class.union(&range(cursor, start, flags)?),
        }
    }
    Ok(Hir::class(Class::Unicode(negated_if(negated, class))))
}

/// One character or `a-z`. A `-` before the closing bracket is itself.
fn range(cursor: &mut Cursor<'_>, opened: usize, flags: Flags) -> Result<ClassUnicode, SyntaxError> {
    let start = cursor.at();
    let low = member(cursor, opened)?;
    let mut high = low;
    if cursor.rest().strip_prefix('-').is_some_and(|more| !more.is_empty() && !more.starts_with(']')) {
        cursor.bump();
        high = member(cursor, opened)?;
    }
    if high < low {
        return Err(cursor.refuse(start, "is a range whose end comes before its start"));
    }
    // Surrogates may be written and never occur, so a range that touches them is cut back to characters.
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    Ok(if low <= high { folded(&[(low, high)], flags) } else { ClassUnicode::empty() })
}

fn member(cursor: &mut Cursor<'_>, opened: usize) -> Result<u32, SyntaxError> {
    match cursor.peek() {
        None => Err(SyntaxError::new("the class is never closed by `]`", opened..opened + 1)),
        Some('\\') => cursor.escape(),
        Some(c) => {
            cursor.bump();
            Ok(u32::from(c))
        }
    }
}

/// `[:name:]` or `[:^name:]` if one stands here. Without a `:]` it is three ordinary characters.
fn posix(cursor: &mut Cursor<'_>, flags: Flags) -> Result<Option<ClassUnicode>, SyntaxError> {
    let start = cursor.at();
    let Some((name, _)) = cursor.rest().strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
        return Ok(None);
    };
    cursor.seek(start + name.len() + 4);
    let (negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let known = POSIX.iter().find(|(known, _)| *known == name);
    let (_, ranges) = known.ok_or_else(|| cursor.refuse(start, "is not a class Go knows"))?;
    Ok(Some(negated_if(negated, folded(ranges, flags))))
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}` and the negations with `\P`.
fn property(cursor: &mut Cursor<'_>, flags: Flags) -> Result<ClassUnicode, SyntaxError> {
    let start = cursor.at();
    let rest = cursor.rest();
    let name = match rest[2..].chars().next() {
        Some('{') => rest[3..].split_once('}').map(|(name, _)| name),
        Some(c) => Some(&rest[2..2 + c.len_utf8()]),
        None => None,
    };
    let Some(name) = name else {
        cursor.seek(start + 2);
        return Err(cursor.refuse(start, "is never closed by `}`"));
    };
    cursor.seek(start + if rest[2..].starts_with('{') { name.len() + 4 } else { 2 + name.len() });
    let (negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let class = table(name).ok_or_else(|| {
        let why = "is not a Unicode category or script, spelled as Unicode does (`\\p{Lu}`, `\\p{Greek}`)";
        cursor.refuse(start, why)
    })?;
    Ok(negated_if(negated != rest.starts_with(r"\P"), fold(class, flags)))
}

/// The characters of a general category or script.
fn table(name: &str) -> Option<ClassUnicode> {
    let mut letters = name.chars();
    let (major, minor) = (letters.next()?, letters.as_str());
    let category = CATEGORIES
        .iter()
        .any(|(known, minors)| *known == major && (minor.is_empty() || (minor.len() == 1 && minors.contains(minor))));
    let query = match name {
        "Any" => return Some(ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)])),
        // Surrogates: no text has one.
        "Cs" => return Some(ClassUnicode::empty()),
        _ if category => format!(r"\p{{gc={name}}}"),
        _ if is_script_name(name) => format!(r"\p{{sc={name}}}"),
        _ => return None,
    };
    match regex_syntax::parse(&query).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Whether `name` is spelled as Unicode spells its scripts: `Old_Italic`, not `old italic` nor `Ital`.
fn is_script_name(name: &str) -> bool {
    let capitalized = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase()) && word[1..].bytes().all(|b| b.is_ascii_lowercase())
    };
    let spelled = name == "SignWriting" || name.split('_').all(capitalized);
    spelled && (name.len() > 4 || SHORT_SCRIPTS.contains(&name))
}

fn folded(ranges: &[(char, char)], flags: Flags) -> ClassUnicode {
    fold(ClassUnicode::new(ranges.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high))), flags)
}

fn fold(mut class: ClassUnicode, flags: Flags) -> ClassUnicode {
    if flags.fold {
        class.case_fold_simple();
    }
    class
}

fn negated_if(negated: bool, mut class: ClassUnicode) -> ClassUnicode {
    if negated {
        class.negate();
    }
    class
}
