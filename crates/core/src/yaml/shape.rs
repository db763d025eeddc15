//! Which keys a map may have and what each may hold, declared once: readers take the keys from here, and the JSON Schema
//! everything else.

/// What a value may look like before it is read. Only as exact as an editor needs: readers say the rest, with a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// Not described.
    Anything,
    /// Known only to be refused with advice.
    Refused,
    /// No value at all, or this.
    Maybe(&'static Form),
    /// Of a key: it must be there.
    Needed(&'static Form),
    /// Text as written; a number is text as well.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text that this regular expression describes.
    Like(&'static str),
    /// A length of time as Prometheus writes it.
    Duration,
    /// `true` or `false`.
    Boolean,
    /// A whole number within these bounds.
    Number(u64, u64),
    /// A number with a point within these bounds.
    Decimal(f64, f64),
    /// A size such as `10MiB`.
    Size,
    /// A share such as `20%`.
    Share,
    /// A list of these.
    List(&'static Form),
    /// A list of these with at least one.
    Some(&'static Form),
    /// A map with these keys.
    Map(&'static Shape),
    /// A map from names of the writer's choice.
    Names(&'static Form),
    /// One of these.
    Either(&'static [Form]),
}

/// The keys of a map.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// The name of the struct it is read into.
    pub name: &'static str,
    /// Lines of its description.
    pub about: &'static [&'static str],
    /// Of these keys exactly one must be there; none when it does not matter.
    pub one_of: &'static [&'static str],
    /// In the order in which they are best written.
    pub fields: &'static [Field],
}

/// One key.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// As it is written.
    pub key: &'static str,
    /// Lines of its description.
    pub about: &'static [&'static str],
    /// What it may hold.
    pub form: Form,
}

/// Declares a struct of optional nodes and how it is read from a map: every key that is not declared is reported with the
/// nearest one that is.
#[macro_export]
macro_rules! shape {
    (
        $(#[doc = $doc:literal])* $name:ident $(exactly one of [$($one:literal),*])? {
            $($(#[doc = $about:literal])* $field:ident = $key:literal $(: $form:expr)?,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name<'n> { $($(#[doc = $about])* pub $field: Option<&'n $crate::yaml::Node>,)* }

        impl $name<'_> {
            /// Every key, in the order in which they are best written.
            pub const KEYS: &'static [&'static str] = &[$($key,)*];

            /// The same with what each may hold.
            pub const SHAPE: $crate::yaml::Shape = $crate::yaml::Shape {
                name: stringify!($name),
                about: &[$($doc),*],
                one_of: &[$($($one),*)?],
                fields: &[$($crate::yaml::Field {
                    key: $key,
                    about: &[$($about),*],
                    form: $crate::yaml::shape!(@form $($form)?),
                },)*],
            };
        }

        impl<'n> $name<'n> {
            /// Reads the map; reports what is not one, and every unknown key.
            pub fn read(
                node: &'n $crate::yaml::Node,
                report: &mut $crate::diagnostic::Report<'_>,
            ) -> Option<Self> {
                let mut it = Self::default();
                for entry in $crate::yaml::entries(node, report)? {
                    match entry.key.as_str() {
                        $($key => it.$field = Some(&entry.value),)*
                        _ => $crate::yaml::unknown_key(entry, Self::KEYS, report),
                    }
                }
                Some(it)
            }
        }
    };
    (@form) => { $crate::yaml::Form::Anything };
    (@form $form:expr) => { $form };
}
pub use crate::shape;
