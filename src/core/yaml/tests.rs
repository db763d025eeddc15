use super::*;
use crate::diagnostic::{Report, Source};

fn tree(text: &str) -> Result<Node, String> {
    let mut report = Report::new(Source::new("f", text));
    parse(&mut report).ok_or_else(|| {
        let it = &report.found[0];
        format!("{}:{}:{} {}", it.line, it.column, it.code, it.message)
    })
}

#[test]
fn probe() {
    let text = "a: 007\nb: [x, 'y', \"z\\n\", null, ~, yes, 1e3, 1.50]\nc: &k {d: 5}\ne: *k\n'f g': |\n  block\n";
    let node = tree(text).expect("valid");
    fn walk(node: &Node, text: &str, depth: usize) {
        eprintln!("{}{:?} {:?}", " ".repeat(depth), &text[node.at.clone()], node.value.kind());
        match &node.value {
            Value::Scalar(s) => eprintln!("{}= {s:?}", " ".repeat(depth)),
            Value::List(items) => items.iter().for_each(|i| walk(i, text, depth + 1)),
            Value::Map(entries) => {
                for e in entries {
                    eprintln!("{} key {} {:?}", " ".repeat(depth), e.key, &text[e.at.clone()]);
                    walk(&e.value, text, depth + 1);
                }
            }
            Value::Null => {}
        }
    }
    walk(&node, text, 0);
    for bad in [
        "a: [",
        "a: 1\na: 2",
        "a: 1\n---\nb: 2",
        "a: !x 1",
        "a: *b",
        "a: \"x",
        "\t- x",
        "a: b: c",
        "- [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ] {
        eprintln!("{bad:?} -> {:?}", tree(bad));
    }
    eprintln!("{:?}", tree(""));
}
