//! Generated protobuf code: `proto/**/*.proto` in, `crates/proto/src/gen/` out, byte for byte the same everywhere.
//!
//! The compiler is `protox`, so that no machine needs protoc; layout comes from `prettyplease`, both pinned by the lock
//! file. The generated code is committed: readers see what they call, and a build needs no generator. Clients and
//! servers are made without a transport, because every connection goes through the seams of `platform`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{relative, walk};

/// Where the generated files go, from the root.
const OUT: &str = "crates/proto/src/gen";
/// The descriptors of all files, for the reflection service.
const DESCRIPTORS: &str = "descriptors.bin";

/// Writes the generated files and removes those that are no longer made. Returns how many changed.
///
/// # Errors
/// A `.proto` that does not compile, or a file that cannot be written.
pub fn write(root: &Path) -> Result<usize> {
    let made = generate(root)?;
    let out = root.join(OUT);
    fs::create_dir_all(&out)?;
    let mut changed = 0;
    for path in walk(&out, |_| true)? {
        let name = relative(&out, &path);
        if !made.contains_key(&name) {
            fs::remove_file(&path)?;
            changed += 1;
        }
    }
    for (name, content) in &made {
        let path = out.join(name);
        if fs::read(&path).ok().as_ref() != Some(content) {
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// Names every generated file that is not what the `.proto` files make.
///
/// # Errors
/// A `.proto` that does not compile.
pub fn differences(root: &Path) -> Result<Vec<String>> {
    let mut made = generate(root)?;
    let out = root.join(OUT);
    let mut differences = Vec::new();
    for path in walk(&out, |_| true)? {
        let name = relative(&out, &path);
        match made.remove(&name) {
            None => differences.push(format!("{OUT}/{name}: nothing generates it any more")),
            Some(content) if fs::read(&path)? != content => differences.push(format!("{OUT}/{name}: differs from proto/")),
            Some(_) => {}
        }
    }
    differences.extend(made.into_keys().map(|name| format!("{OUT}/{name}: missing")));
    Ok(differences)
}

/// The generated files by name.
fn generate(root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let proto = root.join("proto");
    let files: Vec<PathBuf> = walk(&proto, |path| path.extension().is_some_and(|e| e == "proto"))?;
    if files.is_empty() {
        bail!("no .proto files below {}", proto.display());
    }
    let mut compiler = protox::Compiler::new([&proto])?;
    compiler.include_source_info(true).include_imports(true).open_files(&files)?;
    let descriptors = compiler.file_descriptor_set();
    let scratch = Scratch::new()?;
    let mut config = prost_build::Config::new();
    config.btree_map(["."]).bytes(["."]).out_dir(&scratch.0);
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(&scratch.0)
        .compile_fds_with_config(descriptors, config)
        .context("cannot generate code")?;
    // Reflection shows comments to nobody: without source positions the file is a tenth of the size.
    let descriptors = compiler.include_source_info(false).encode_file_descriptor_set();
    let mut made = BTreeMap::from([(DESCRIPTORS.to_owned(), descriptors)]);
    for path in walk(&scratch.0, |_| true)? {
        made.insert(relative(&scratch.0, &path), fs::read(&path)?);
    }
    Ok(made)
}

/// A folder of this process that is gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tidegate-codegen-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
