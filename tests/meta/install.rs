//! `packaging/install.sh`: what it installs was verified, and everything else is refused with nothing installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A release on this machine, and where it is installed.
struct Release {
    folder: TempDir,
    archive: String,
}

impl Release {
    fn new() -> Release {
        let folder = tempfile::tempdir().unwrap();
        let os = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
        let name = format!("pdfco-v9.9.9-{}-{os}", std::env::consts::ARCH);
        let inside = folder.path().join(&name);
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("pdfco"), "#!/bin/sh\necho pdfco 9.9.9\n").unwrap();
        let archive = format!("{name}.tar.gz");
        let packed = Command::new("tar").arg("-czf").arg(&archive).arg(&name).current_dir(folder.path()).status();
        assert!(packed.unwrap().success());
        let release = Release { folder, archive };
        release.sum(&release.digest());
        release
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn digest(&self) -> String {
        let bytes = std::fs::read(self.path().join(&self.archive)).unwrap();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sum(&self, digest: &str) {
        std::fs::write(self.path().join("SHA256SUMS"), format!("{digest}  {}\n", self.archive)).unwrap();
    }

    fn installed(&self) -> PathBuf {
        self.path().join("bin/pdfco")
    }

    fn install(&self, from: &str) -> Output {
        let to = self.path().join("bin");
        Command::new("sh")
            .arg(script())
            .args(["--from", from, "--to"])
            .arg(to)
            .env("HOME", self.path())
            .output()
            .unwrap()
    }

    fn install_here(&self) -> Output {
        self.install(&format!("file://{}", self.path().display()))
    }

    fn is_refused(&self, ended: &Output, words: &str) {
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(words), "{words}: {said}");
        assert!(!self.installed().exists(), "{words}: something was installed");
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/install.sh")
}

#[test]
fn what_is_verified_is_installed_and_nothing_else() {
    let release = Release::new();
    let ended = release.install_here();
    assert!(ended.status.success(), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stdout).contains("Installed pdfco 9.9.9"), "{ended:?}");
    std::fs::remove_file(release.installed()).unwrap();

    release.sum(&"0".repeat(64));
    release.is_refused(&release.install_here(), "is not what SHA256SUMS says");
    // A download that was cut off.
    release.sum(&release.digest());
    let archive = release.path().join(&release.archive);
    let bytes = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    release.is_refused(&release.install_here(), "is not what SHA256SUMS says");
    std::fs::remove_file(&archive).unwrap();
    release.is_refused(&release.install_here(), "cannot fetch");
    std::fs::write(release.path().join("SHA256SUMS"), "").unwrap();
    release.is_refused(&release.install_here(), "has no archive");
    release.is_refused(&release.install("http://mirror.example.test"), "is not an https address");
}

#[test]
fn an_installer_that_was_cut_off_runs_nothing() {
    let text = std::fs::read_to_string(script()).unwrap();
    assert!(!text.contains("sudo"), "it asks for no rights");
    let release = Release::new();
    let url = format!("file://{}", release.path().display());
    for part in 1..10 {
        let cut = release.path().join("cut.sh");
        std::fs::write(&cut, &text[..text.len() * part / 10]).unwrap();
        let to = release.path().join("bin");
        let _ =
            Command::new("sh").arg(&cut).args(["--from", &url, "--to"]).arg(&to).env("HOME", release.path()).output();
        assert!(!to.exists(), "{part} tenths of it ran");
    }
}
