//! Every `*.good.test.yaml` passes; every `*.bad.test.yaml` says exactly what its snapshot says; every code of tests is met.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{TestFile, load, run};
use fettle_core::diagnostic::render::human;
use fettle_core::diagnostic::{Diagnostic, codes};
use fettle_core::rule::compile::SourceFile;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/tests")
}

fn corpus(ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn read(path: &Path) -> Result<TestFile, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path).expect("UTF-8");
    load(&SourceFile { path: path.to_string_lossy().into_owned(), text })
}

#[test]
fn good_files_load_and_pass() {
    for path in corpus(".good.test.yaml") {
        let file = read(&path).unwrap_or_else(|found| panic!("{}", human(&found)));
        for case in &file.cases {
            let outcome = run(&file, case);
            assert!(outcome.difference.is_none(), "{} {}: {:#?}", path.display(), case.name, outcome.difference);
        }
    }
}

#[test]
fn bad_files_say_every_problem_with_its_place() {
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../../../tests/corpus/tests" }, {
        for path in corpus(".bad.test.yaml") {
            let found = read(&path).expect_err("a bad file");
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            // The same wherever the sources lie.
            let shown = human(&found).replace(&format!("{}/", folder().display()), "");
            insta::assert_snapshot!(name, shown);
        }
    });
}

#[test]
fn every_code_of_tests_is_in_the_corpus() {
    let met: BTreeSet<&str> = corpus(".bad.test.yaml")
        .iter()
        .flat_map(|path| read(path).err().unwrap_or_default())
        .map(|it| it.code)
        .collect();
    let of_tests = codes::ALL.iter().map(|code| code.id).filter(|id| ("F200".."F210").contains(id));
    let missing: Vec<&str> = of_tests.filter(|id| !met.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
