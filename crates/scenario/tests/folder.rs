//! Every test of the repository's folder passes, and its names say which rows of the suite there are.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tidegate_manifest::Source;
use tidegate_scenario::{load, run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

fn files() -> Vec<Source> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).expect("the folder is there").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let read = |path: PathBuf| Source { name: name(&path), text: std::fs::read_to_string(&path).expect("it is text") };
    paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).map(read).collect()
}

#[test]
fn every_file_passes() {
    let began = Instant::now();
    let mut failures = Vec::new();
    let sources = files();
    for source in &sources {
        let one = Instant::now();
        match load(source) {
            Err(errors) => failures.extend(errors.iter().map(ToString::to_string)),
            Ok(scenario) => {
                let again = run(&scenario);
                failures.extend(again.failure.map(|failure| failure.to_string()));
            }
        }
        if one.elapsed().as_millis() > 250 {
            eprintln!("{} took {} ms", source.name, one.elapsed().as_millis());
        }
    }
    eprintln!("{} files in {:.2} s", sources.len(), began.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "{} of {} failed:\n\n{}", failures.len(), sources.len(), failures.join("\n\n"));
}
