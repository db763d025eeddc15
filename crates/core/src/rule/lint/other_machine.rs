//! A target that is read from a label, on the only host, which has no `instances`: nothing distinguishes an alert of another
//! machine that names a container of this one.

use crate::diagnostic::{Report, codes};
use crate::rule::context::Context;
use crate::rule::model::{Find, Word};
use crate::yaml::Node;

/// Warns where such an alert would act on this machine.
pub(in crate::rule) fn check(find: &Find, node: &Node, context: &Context, report: &mut Report<'_>) {
    let words = match find {
        Find::Container(word) | Find::Swarm(word) | Find::Disk(word) => [Some(word), None],
        Find::Compose { project, service } => [Some(project), Some(service)],
    };
    let is_label = words.into_iter().flatten().any(|word| matches!(word, Word::Label(_)));
    let Some(host) = context.hosts.only().filter(|host| context.hosts.instances(host).is_empty()) else { return };
    if context.of_service && is_label {
        let message =
            format!("host `{host}` has no `instances`, so an alert about another machine would act on this one");
        let help = format!(
            "list what this machine's alerts have in the label `instance`, in the settings: hosts: {{{host}: {{instances: [NODE, \"10.0.0.11\"]}}}}"
        );
        report.add_with_help(&codes::NO_INSTANCES, &node.at, message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::compile::{Context, SourceFile, compile};
    use crate::target::Hosts;

    fn codes(target: &str, context: &Context) -> Vec<&'static str> {
        let text = format!("version: 1\nrules:\n  - {{name: r, match: [a=b], target: {target}, steps: [restart]}}\n");
        let file = SourceFile { path: "rules.yaml".into(), text };
        let (_, warnings) = compile(&[file], context).expect("valid");
        warnings.iter().map(|it| it.code).collect()
    }

    #[test]
    fn one_host_without_instances_is_reported_where_the_target_is_read_from_a_label() {
        let service = Context { of_service: true, ..Context::default() };
        let labelled = "{container: $labels.service, allow: [web]}";
        assert_eq!(codes(labelled, &service), ["F108"]);
        assert_eq!(codes("{container: web}", &service), [""; 0]);
        assert_eq!(codes(labelled, &Context::default()), [""; 0], "a test declares its hosts");
        let listed = ["node-a".to_owned()];
        let hosts = Hosts::new([("local", &listed[..])]);
        assert_eq!(codes(labelled, &Context { hosts, ..service }), [""; 0]);
    }
}
