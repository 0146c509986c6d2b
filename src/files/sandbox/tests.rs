//! Tests of the sandbox: what may be read and written, in whatever way it is asked for.

use super::*;
use crate::files::resolved;
use crate::next_step::Audience;

#[test]
fn hidden_files_are_for_persons_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    let root = folder.path().canonicalize().unwrap();
    let assistant = Sandbox::folders(vec![root.clone()], root.join("out"));
    for name in [".env", ".git/hook", "sub/.hidden/a.txt"] {
        let error = assistant.target_blocking(Some(root.join(name).to_str().unwrap()), "a", false).unwrap_err();
        assert_eq!(error.kind(), Kind::FileAccess, "{name}");
    }
    std::fs::write(root.join(".env"), "KEY=canary").unwrap();
    std::fs::write(root.join(".git/config"), "canary").unwrap();
    for name in [".env", ".git/config"] {
        let error = assistant.readable_blocking(name).unwrap_err();
        assert_eq!(error.kind(), Kind::FileAccess);
        assert!(error.message().contains("hidden"), "{error:?}");
    }
    assert!(Sandbox::person(root.clone()).readable_blocking(root.join(".env").to_str().unwrap()).is_ok());
    assert!(assistant.target_blocking(Some(root.join("plain.txt").to_str().unwrap()), "a", false).is_ok());
    assert!(
        Sandbox::person(root.clone()).target_blocking(Some(root.join(".env").to_str().unwrap()), "a", true).is_ok()
    );
}

struct Home {
    _dir: tempfile::TempDir,
    base: PathBuf,
    sandbox: Sandbox,
}

/// `docs` is allowed, `secret` is not, `downloads` does not exist yet.
fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let base = resolved(dir.path()).unwrap();
    for folder in ["docs/sub", "docs-evil", "secret"] {
        fs::create_dir_all(base.join(folder)).unwrap();
    }
    for file in ["docs/a.pdf", "docs/sub/b c#é.pdf", "docs-evil/a.pdf", "secret/key"] {
        fs::write(base.join(file), "content").unwrap();
    }
    fs::write(base.join("docs/empty.pdf"), "").unwrap();
    let sandbox = Sandbox::folders(vec![base.join("docs")], base.join("downloads"));
    Home { _dir: dir, base, sandbox }
}

#[test]
fn a_folder_with_a_hidden_name_may_be_allowed_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let root = resolved(folder.path()).unwrap();
    fs::create_dir_all(root.join(".notes")).unwrap();
    fs::write(root.join(".notes/a.txt"), "content").unwrap();
    let file = root.join(".notes/a.txt").display().to_string();
    let (outer, inner) = (root.clone(), root.join(".notes"));
    for (roots, is_allowed) in [
        (vec![outer.clone()], false),
        (vec![inner.clone()], true),
        (vec![outer.clone(), inner.clone()], true),
        (vec![inner, outer], true),
    ] {
        let sandbox = Sandbox::folders(roots.clone(), root.join("out"));
        assert_eq!(sandbox.readable_blocking(&file).is_ok(), is_allowed, "{roots:?}");
    }
}

#[test]
fn only_access_to_nothing_says_so() {
    let home = home();
    let tenant = Sandbox::tenant(&home.base, "tenant-0001", 1_000);
    for (sandbox, is_nothing) in [
        (Sandbox::nothing(), true),
        (tenant, false),
        (Sandbox::person(home.base.clone()), false),
        (home.sandbox.clone(), false),
    ] {
        assert_eq!(sandbox.is_nothing(), is_nothing);
    }
    let refused = Sandbox::nothing().readable_blocking("docs/a.pdf").unwrap_err();
    assert!(refused.message().contains("uses no files of its own machine"), "{refused:?}");
    assert!(Sandbox::nothing().target_blocking(Some("a.pdf"), "a.pdf", false).is_err());
}

#[test]
fn a_folder_that_does_not_exist_yet_is_a_folder() {
    let home = home();
    let sandbox = Sandbox::folders(vec![home.base.join("later")], home.base.join("downloads"));
    for folder in ["later", "downloads"] {
        let path = home.base.join(folder);
        let target = sandbox.target_blocking(Some(path.to_str().unwrap()), "a.pdf", false).unwrap();
        assert_eq!(target.path(), path.join("a.pdf"), "{folder}");
    }
}

fn kind(result: Result<impl std::fmt::Debug>) -> Kind {
    result.unwrap_err().kind()
}

#[test]
fn files_in_allowed_folders_are_readable_in_any_notation() {
    let home = home();
    let docs = home.base.join("docs").display().to_string();
    for source in [
        format!("{docs}/a.pdf"),
        format!("{docs}/./sub/../a.pdf"),
        format!("{docs}/../docs/a.pdf"),
        format!("file://{docs}/a.pdf"),
        format!("FILE://localhost/{}/a.pdf", docs.trim_start_matches('/')),
        format!("file:{docs}/a.pdf"),
        format!("file://{docs}/%61.pdf"),
        format!("file://{docs}/sub%2F..%2Fa.pdf"),
        "a.pdf".to_owned(),
        "sub/../a.pdf".to_owned(),
    ] {
        let file = home.sandbox.readable_blocking(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        assert_eq!((file.path, file.bytes), (home.base.join("docs/a.pdf"), 7), "{source}");
    }
    let odd = home.sandbox.readable_blocking(&format!("file://{docs}/sub/b%20c%23%C3%A9.pdf")).unwrap();
    assert_eq!(odd.path, home.base.join("docs/sub/b c#é.pdf"));
}

#[test]
fn everything_else_is_refused_with_a_reason() {
    let home = home();
    let base = home.base.display().to_string();
    for (source, expected, word) in [
        (format!("{base}/secret/key"), Kind::FileAccess, "outside"),
        (format!("{base}/docs/../secret/key"), Kind::FileAccess, "outside"),
        (format!("{base}/docs-evil/a.pdf"), Kind::FileAccess, "outside"),
        (format!("file://{base}/secret/key"), Kind::FileAccess, "outside"),
        (format!("file://{base}/docs/%2e%2e/secret/key"), Kind::FileAccess, "outside"),
        (format!("file://{base}/docs/..%2fsecret/key"), Kind::FileAccess, "outside"),
        ("../secret/key".to_owned(), Kind::FileAccess, "outside"),
        ("/etc/passwd".to_owned(), Kind::FileAccess, "outside"),
        ("/etc/does-not-exist".to_owned(), Kind::FileAccess, "outside"),
        (format!("{base}/secret/nothing"), Kind::FileAccess, "outside"),
        ("/dev/null".to_owned(), Kind::FileAccess, "outside"),
        ("nothing.pdf".to_owned(), Kind::FileAccess, "does not exist"),
        ("~/a.pdf".to_owned(), Kind::FileAccess, "outside"),
        ("$HOME/a.pdf".to_owned(), Kind::FileAccess, "outside"),
        ("a/".repeat(3_000), Kind::InvalidArgument, "longer"),
        ("a/".repeat(300) + "a.pdf", Kind::InvalidArgument, "longer"),
        (format!("{base}/docs/nothing/../../secret/key"), Kind::FileAccess, "outside"),
        (format!("{base}/docs/a.pdf/x"), Kind::FileAccess, if cfg!(windows) { "not exist" } else { "be read" }),
        (format!("{base}/docs"), Kind::FileAccess, "a folder"),
        (format!("{base}/docs/empty.pdf"), Kind::InvalidArgument, "empty"),
        (format!("{base}/docs/a.pdf\0.txt"), Kind::InvalidArgument, "NUL"),
        (format!("file://{base}/docs/a.pdf%00.txt"), Kind::InvalidArgument, "NUL"),
        (format!("file://{base}/docs/a.pdf?x=1"), Kind::InvalidArgument, "`?`"),
        (format!("file://{base}/docs/sub/b c#é.pdf"), Kind::InvalidArgument, "`#`"),
        (String::new(), Kind::InvalidArgument, "empty"),
    ] {
        let error = home.sandbox.readable_blocking(&source).expect_err(&source);
        assert_eq!(error.kind(), expected, "{source}: {error:?}");
        assert!(error.message().contains(word), "{source}: {error:?}");
        if word == "outside" {
            assert!(
                error.hint().text(Audience::Agent).contains("PDFCO_FILES")
                    && error.hint().text(Audience::Agent).contains("docs"),
                "{error:?}"
            );
        }
    }
    assert!(!home.base.join("downloads").exists(), "judging creates nothing");
    // Windows has paths to other machines; what is behind them is not asked.
    let error = home.sandbox.readable_blocking("file://evil.test/docs/a.pdf").unwrap_err();
    let word = if cfg!(windows) { "outside" } else { "another machine" };
    assert!(error.message().contains(word), "{error:?}");
}

#[cfg(windows)]
#[test]
fn windows_spellings_of_one_file_are_one_file() {
    let home = home();
    let docs = home.base.join("docs").display().to_string();
    assert!(docs.contains(r":\") && !docs.contains(r"\\?\"), "{docs}");
    let forward = docs.replace('\\', "/");
    for source in [
        r"sub\..\a.pdf".to_owned(),
        "A.PDF".to_owned(),
        format!(r"{docs}\a.pdf"),
        format!("{forward}/a.pdf"),
        format!(r"\\?\{docs}\a.pdf"),
        docs.to_uppercase() + r"\a.pdf",
        format!("file:///{forward}/a.pdf"),
        format!("file:///{forward}/sub%5C..%5Ca.pdf"),
    ] {
        let file = home.sandbox.readable_blocking(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        assert_eq!((&file.path, file.bytes), (&home.base.join(r"docs\a.pdf"), 7), "{source}");
        assert!(file.open().is_ok(), "{source}");
    }
    for (save_to, expected) in
        [(r"new\x.pdf", r"docs\new\x.pdf"), (r"sub\", r"docs\sub\n.pdf"), ("new/", r"docs\new\n.pdf")]
    {
        assert_eq!(
            home.sandbox.target_blocking(Some(save_to), "n.pdf", false).unwrap().path,
            home.base.join(expected),
            "{save_to}"
        );
    }
    assert_eq!(home.sandbox.target_blocking(Some("A.pdf"), "", true).unwrap().path, home.base.join(r"docs\a.pdf"));
}

#[cfg(windows)]
#[test]
fn windows_path_aliases_are_refused_before_io() {
    let home = home();
    let docs = home.base.join("docs").display().to_string();
    let person = Sandbox::person(home.base.join("downloads"));
    let on_a_share = Sandbox::folders(vec![r"\\files.test\scans".into()], home.base.join("downloads"));
    for source in [
        "NUL".to_owned(),
        "con.pdf".to_owned(),
        "a.pdf:stream".to_owned(),
        "a.pdf::$DATA".to_owned(),
        "a.pdf.".to_owned(),
        "a.pdf ".to_owned(),
        "C:a.pdf".to_owned(),
        format!(r"{docs}\sub.\..\a.pdf"),
        format!(r"\\.\{docs}\a.pdf"),
        r"\\.\pipe\name".to_owned(),
        r"\\machine.test\pipe\name".to_owned(),
    ] {
        for sandbox in [&home.sandbox, &person] {
            assert_eq!(kind(sandbox.readable_blocking(&source)), Kind::InvalidArgument, "{source}");
            assert_eq!(kind(sandbox.target_blocking(Some(&source), "n.pdf", true)), Kind::InvalidArgument, "{source}");
        }
    }
    for source in [r"\\evil.test\share\a.pdf", "//evil.test/share/a.pdf", r"\\?\UNC\evil.test\share\a.pdf"] {
        for sandbox in [&home.sandbox, &on_a_share] {
            assert!(sandbox.readable_blocking(source).unwrap_err().message().contains("outside"), "{source}");
            assert!(
                sandbox.target_blocking(Some(source), "", true).unwrap_err().message().contains("outside"),
                "{source}"
            );
        }
    }
    assert!(on_a_share.may_ask(Path::new(r"\\FILES.test\Scans\a.pdf")) && person.may_ask(Path::new(r"\\nas\b\c")));
    assert!(kind(home.sandbox.readable_blocking("file:///folder/a.pdf")) == Kind::InvalidArgument, "no drive");
}

#[cfg(unix)]
#[test]
fn symlinks_are_followed_before_anything_is_judged() {
    use std::os::unix::fs::symlink;
    let home = home();
    let docs = home.base.join("docs");
    symlink(home.base.join("secret"), docs.join("out")).unwrap();
    symlink(home.base.join("secret/key"), docs.join("key.pdf")).unwrap();
    symlink("a.pdf", docs.join("in.pdf")).unwrap();
    symlink("loop", docs.join("loop")).unwrap();
    symlink(home.base.join("secret/new"), docs.join("dangling.pdf")).unwrap();
    symlink(&docs, home.base.join("alias")).unwrap();

    assert_eq!(kind(home.sandbox.readable_blocking("out/key")), Kind::FileAccess);
    assert_eq!(kind(home.sandbox.readable_blocking("key.pdf")), Kind::FileAccess);
    assert_eq!(kind(home.sandbox.readable_blocking("loop")), Kind::FileAccess);
    assert_eq!(home.sandbox.readable_blocking("in.pdf").unwrap().path, docs.join("a.pdf"));

    for save_to in
        ["out/new.pdf", "out/", "out/deep/new.pdf", "key.pdf", "in.pdf", "dangling.pdf", "dangling.pdf/x.pdf", "loop/x"]
    {
        for overwrite in [false, true] {
            assert_eq!(
                kind(home.sandbox.target_blocking(Some(save_to), "n.pdf", overwrite)),
                Kind::FileAccess,
                "{save_to}"
            );
        }
    }

    let by_alias = Sandbox::folders(vec![home.base.join("alias")], home.base.join("downloads"));
    let file = by_alias.readable_blocking(&home.base.join("alias/a.pdf").display().to_string()).unwrap();
    assert_eq!(file.path, docs.join("a.pdf"));
    assert_eq!(by_alias.readable_blocking(&docs.join("a.pdf").display().to_string()).unwrap().path, docs.join("a.pdf"));
    assert_eq!(by_alias.target_blocking(Some("x/new.pdf"), "", false).unwrap().path, docs.join("x/new.pdf"));
}

#[cfg(unix)]
#[test]
fn a_person_may_read_any_regular_file_and_nothing_else() {
    let home = home();
    let person = Sandbox::person(home.base.join("downloads"));
    let path = |name: &str| home.base.join(name).display().to_string();
    assert_eq!(person.readable_blocking(&path("secret/key")).unwrap().bytes, 7);
    let fifo = path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for source in ["/dev/null", "/dev/zero", "/dev", &fifo, &path("socket")] {
        assert_eq!(kind(person.readable_blocking(source)), Kind::FileAccess, "{source}");
        if source != "/dev" {
            assert_eq!(kind(person.target_blocking(Some(source), "a", true)), Kind::FileAccess, "{source}");
        }
    }
    let error = person.readable_blocking(&path("nothing")).unwrap_err();
    assert!(
        error.message().contains("does not exist") && error.hint().text(Audience::Agent).contains("https://"),
        "{error:?}"
    );
}

#[test]
fn size_has_a_limit() {
    let home = home();
    let huge = fs::File::create(home.base.join("docs/huge.pdf")).unwrap();
    huge.set_len(3 * 1024 * 1024 * 1024).unwrap();
    let error = home.sandbox.readable_blocking("huge.pdf").unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    assert!(
        error.message().contains("huge.pdf") && error.hint().text(Audience::Agent).contains("PDFCO_MAX_FILE_BYTES")
    );
    assert_eq!(kind(home.sandbox.clone().with_max_bytes(6).readable_blocking("a.pdf")), Kind::TooLarge);
    assert!(home.sandbox.clone().with_max_bytes(7).readable_blocking("a.pdf").is_ok());
}

#[test]
fn targets_are_files_in_allowed_folders() {
    let home = home();
    let at = |path: &str| home.base.join(path);
    let absolute = |path: &str| at(path).display().to_string();
    for (save_to, expected) in [
        (None, "downloads/n.pdf"),
        (Some("sub".to_owned()), "docs/sub/n.pdf"),
        (Some("sub/".to_owned()), "docs/sub/n.pdf"),
        (Some("new/".to_owned()), "docs/new/n.pdf"),
        (Some("new/x.pdf".to_owned()), "docs/new/x.pdf"),
        (Some("x".to_owned()), "docs/x.pdf"),
        (Some(absolute("docs")), "docs/n.pdf"),
        (Some(absolute("docs/../docs/x.pdf")), "docs/x.pdf"),
        (Some(absolute("downloads/deep/x.pdf")), "downloads/deep/x.pdf"),
        (Some(absolute("downloads")), "downloads/n.pdf"),
        (Some(format!("file://{}/x%20y.pdf", absolute("docs"))), "docs/x y.pdf"),
    ] {
        let target = home.sandbox.target_blocking(save_to.as_deref(), "../n.pdf", false);
        assert_eq!(target.unwrap().path, at(expected), "{save_to:?}");
    }
    for save_to in [
        absolute("secret/x.pdf"),
        absolute("secret"),
        absolute("docs-evil/x.pdf"),
        "../x.pdf".to_owned(),
        "new/../../x.pdf".to_owned(),
        "..".to_owned(),
        "a.pdf/x.pdf".to_owned(),
        "/x.pdf".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(kind(home.sandbox.target_blocking(Some(&save_to), "n.pdf", true)), Kind::FileAccess, "{save_to}");
    }
    for save_to in ["", "x\0.pdf", "x\n.pdf"] {
        assert_eq!(
            kind(home.sandbox.target_blocking(Some(save_to), "n.pdf", true)),
            Kind::InvalidArgument,
            "{save_to:?}"
        );
    }
    assert!(home.sandbox.target_blocking(Some("file://evil.test/share/x.pdf"), "n.pdf", true).is_err());
    assert!(!at("downloads").exists() && !at("docs/new").exists(), "judging creates nothing");
}

#[test]
fn an_existing_file_is_only_replaced_when_asked() {
    let home = home();
    let error = home.sandbox.target_blocking(Some("a.pdf"), "", false).unwrap_err();
    assert_eq!(error.kind(), Kind::FileAccess);
    assert!(error.hint().text(Audience::Agent).contains("overwrite: true"), "{error:?}");
    assert_eq!(kind(home.sandbox.target_blocking(Some("sub"), "b c#é.pdf", false)), Kind::FileAccess);
    assert_eq!(home.sandbox.target_blocking(Some("a.pdf"), "", true).unwrap().path, home.base.join("docs/a.pdf"));
}

#[cfg(unix)]
#[test]
fn a_file_that_was_swapped_after_it_was_judged_is_not_opened() {
    let home = home();
    let file = home.sandbox.readable_blocking("a.pdf").unwrap();
    assert!(file.open().is_ok());
    fs::write(&file.path, "longer content").unwrap();
    assert_eq!(kind(file.open()), Kind::FileAccess);
    fs::remove_file(&file.path).unwrap();
    assert_eq!(kind(file.open()), Kind::FileAccess);
    std::os::unix::fs::symlink(home.base.join("secret/key"), &file.path).unwrap();
    assert_eq!(kind(file.open()), Kind::FileAccess);
    fs::remove_file(&file.path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file.path).status().unwrap().success());
    assert_eq!(kind(file.open()), Kind::FileAccess);
}

#[test]
fn a_path_of_megabytes_is_refused_at_once() {
    let home = home();
    let began = std::time::Instant::now();
    for path in ["a/".repeat(2_000_000), format!("file:///{}", "a/".repeat(2_000_000)), "x".repeat(4_000_000)] {
        assert_eq!(kind(home.sandbox.readable_blocking(&path)), Kind::InvalidArgument);
        assert_eq!(kind(home.sandbox.target_blocking(Some(&path), "a.pdf", false)), Kind::InvalidArgument);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn the_ledger_is_out_of_reach_in_an_allowed_folder() {
    let home = home();
    let ledger = crate::config::LedgerLocation::File(home.base.join("docs/ledger.sqlite"));
    for file in ledger.files() {
        fs::write(file, "content").unwrap();
    }
    fs::hard_link(home.base.join("docs/ledger.sqlite"), home.base.join("docs/other.bin")).unwrap();
    let sandbox = home.sandbox.clone().without(ledger.files());
    for name in [
        "ledger.sqlite",
        "ledger.sqlite-wal",
        "ledger.sqlite-shm",
        "ledger.sqlite-restored",
        "sub/../ledger.sqlite",
        "other.bin",
    ] {
        assert_eq!(kind(sandbox.readable_blocking(name)), Kind::FileAccess, "{name}");
    }
    let person = Sandbox::person(home.base.join("docs")).without(ledger.files());
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let path = home.base.join("docs").join(name).display().to_string();
        assert_eq!(kind(person.target_blocking(Some(&path), "a", true)), Kind::FileAccess, "{name}");
    }
    assert!(sandbox.readable_blocking("a.pdf").is_ok());
}

#[test]
fn a_name_that_only_looks_like_a_file_is_found_or_offered() {
    let home = home();
    fs::write(home.base.join("docs/Screenshot 10.00\u{202f}AM.png"), "content").unwrap();
    fs::write(home.base.join("docs/.a.pdf"), "content").unwrap();
    let file = home.sandbox.readable_blocking("Screenshot 10.00 AM.png").unwrap();
    assert_eq!(file.path, home.base.join("docs/Screenshot 10.00\u{202f}AM.png"));
    let error = home.sandbox.readable_blocking("b.pdf").unwrap_err();
    let hint = error.hint().text(Audience::Agent);
    assert!(hint.contains("`a.pdf`") && !hint.contains("`.a.pdf`"), "{hint}");
    let error = home.sandbox.readable_blocking(&home.base.join("secret/kez").display().to_string()).unwrap_err();
    assert!(!error.hint().text(Audience::Agent).contains("`key`"), "{error:?}");
}

#[test]
fn each_tenant_has_a_folder_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let root = resolved(dir.path()).unwrap();
    let (a, b) = (Sandbox::tenant(&root, "tenant-a", 100), Sandbox::tenant(&root, "tenant-b", 100));
    let target = a.target_blocking(Some("deep/x.txt"), "n.pdf", false).unwrap();
    assert_eq!(target.path(), Path::new("deep").join("x.txt"), "no path of the server");
    let (mut file, part) = target.create_part().unwrap();
    std::io::Write::write_all(&mut file, &[b'x'; 60]).unwrap();
    target.publish(&part, false).unwrap();
    drop(part);
    assert!(root.join("tenant-a/deep/x.txt").is_file());

    let file = a.readable_blocking("deep/x.txt").unwrap();
    assert_eq!((file.path.as_path(), file.bytes), (Path::new("deep").join("x.txt").as_path(), 60));
    assert!(file.open().is_ok());
    let elsewhere = root.join("tenant-a/deep/x.txt").display().to_string();
    for path in ["deep/x.txt", "../tenant-a/deep/x.txt", elsewhere.as_str()] {
        let error = b.readable_blocking(path).unwrap_err();
        let said = format!("{error} {}", error.hint().text(Audience::Agent)).replace(path, "");
        assert!(!said.contains(root.to_str().unwrap()), "{said}");
    }
    assert_eq!(a.target_blocking(None, "n.pdf", false).unwrap().bytes_left(), Some(40));
    fs::write(root.join("tenant-a/y.txt"), [b'x'; 60]).unwrap();
    assert_eq!(kind(a.target_blocking(None, "n.pdf", false)), Kind::TooLarge);
    assert_eq!(b.target_blocking(None, "n.pdf", false).unwrap().bytes_left(), Some(100));

    let folder = |tenant: &str| Sandbox::tenant(&root, tenant, 1).download_dir;
    assert_ne!(folder("Tenant-A"), folder("tenant-a"), "where case makes no difference, they are two all the same");
    let odd = Sandbox::tenant(&root, "../../etc", 100);
    assert!(odd.download_dir.starts_with(&root) && odd.download_dir.parent() == Some(&root), "{odd:?}");
    for call in [
        kind(Sandbox::nothing().readable_blocking("/etc/hosts")),
        kind(Sandbox::nothing().target_blocking(None, "n", true)),
    ] {
        assert_eq!(call, Kind::FileAccess);
    }
}

#[test]
fn leftovers_of_killed_processes_are_removed() {
    let home = home();
    let docs = home.base.join("docs");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    let part = |name: &str| {
        let file = fs::File::create(docs.join(name)).unwrap();
        file.set_modified(old).unwrap();
        file
    };
    let id = "0123456789abcdef0123456789abcdef";
    let left = format!(".x.pdf.{id}.part");
    let (held, others) = (format!(".y.pdf.{id}.part"), format!(".y.pdf.{}.part", "z".repeat(32)));
    drop((part(&left), part(&others)));
    let holder = part(&held);
    holder.try_lock().unwrap();
    fs::write(docs.join(format!(".new.{id}.part")), "just begun").unwrap();

    let target = home.sandbox.target_blocking(Some("x.pdf"), "", false).unwrap();
    let (file, part) = target.create_part().unwrap();
    assert!(!docs.join(&left).exists(), "of a process that is gone");
    for kept in [held, others, format!(".new.{id}.part")] {
        assert!(docs.join(&kept).exists(), "{kept}");
    }
    let before = fs::read_dir(&docs).unwrap().count();
    drop((file, part));
    assert_eq!(fs::read_dir(&docs).unwrap().count(), before - 1, "a part goes with its owner");
}
