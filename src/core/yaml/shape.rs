//! Which keys a map may have, declared once.

/// Declares a struct of optional nodes and how it is read from a map: every key that is not declared is reported with the
/// nearest one that is.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name<'n> { $($(#[$about])* pub $field: Option<&'n $crate::core::yaml::Node>,)* }

        impl<'n> $name<'n> {
            /// Every key, in the order in which they are best written.
            pub const KEYS: &'static [&'static str] = &[$($key,)*];

            /// Reads the map; reports what is not one, and every unknown key.
            pub fn read(
                node: &'n $crate::core::yaml::Node,
                report: &mut $crate::diagnostic::Report<'_>,
            ) -> Option<Self> {
                let mut it = Self::default();
                for entry in $crate::core::yaml::entries(node, report)? {
                    match entry.key.as_str() {
                        $($key => it.$field = Some(&entry.value),)*
                        _ => $crate::core::yaml::unknown_key(entry, Self::KEYS, report),
                    }
                }
                Some(it)
            }
        }
    };
}
pub(crate) use shape;
