//! Tests of the rank of sources and of the values that follow.

use super::*;
use crate::next_step::Audience;

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn merged(flags: &[(&str, &str)], environment: &[(&str, &str)], dot_env: &[(&str, &str)]) -> Result<Config> {
    let folders = Folders {
        data: Some("/data".into()),
        downloads: Some("/downloads".into()),
        home: Some("/home/me".into()),
        config: None,
    };
    merge(&values(flags), &values(environment), &values(dot_env), &folders)
}

#[test]
fn one_rank_for_every_setting() {
    for setting in SETTINGS.iter().filter(|setting| setting.variable == "PDFCO_MAX_WAIT_SECONDS") {
        let name = setting.variable;
        let wait = |f: &[(&str, &str)], e: &[(&str, &str)], d: &[(&str, &str)]| {
            let config = merged(f, e, d).unwrap();
            (config.max_wait.as_secs(), config.origin(name))
        };
        assert_eq!(wait(&[(name, "1")], &[(name, "2")], &[(name, "3")]), (1, Origin::Flag));
        assert_eq!(wait(&[], &[(name, "2")], &[(name, "3")]), (2, Origin::Environment));
        assert_eq!(wait(&[], &[(name, "")], &[(name, "3")]), (3, Origin::EnvFile));
        assert_eq!(wait(&[], &[], &[]), (45, Origin::Default));
    }
}

#[test]
fn the_key_has_two_names_and_prints_under_neither() {
    let fingerprint = |e: &[(&str, &str)]| merged(&[], e, &[]).unwrap().key().unwrap().fingerprint().clone();
    let first = fingerprint(&[("PDFCO_API_KEY", "canary-1"), ("X_API_KEY", "canary-2")]);
    assert_eq!(first, *ApiKey::new("canary-1").unwrap().fingerprint());
    assert_eq!(fingerprint(&[("X_API_KEY", "canary-2")]), *ApiKey::new("canary-2").unwrap().fingerprint());
    for unfilled in ["${PDFCO_API_KEY}", "$PDFCO_API_KEY", "${env:PDFCO_API_KEY}", "${input:pdfco_key}"] {
        assert_eq!(fingerprint(&[("PDFCO_API_KEY", unfilled), ("X_API_KEY", "canary-1")]), first);
        assert!(!merged(&[], &[("PDFCO_API_KEY", unfilled)], &[]).unwrap().has_key(), "{unfilled}");
    }
    let config = merged(&[], &[("PDFCO_API_KEY", "canary-1")], &[]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let error = merged(&[], &[("PDFCO_API_KEY", "canary one")], &[]).unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[test]
fn without_a_key_every_way_to_give_one_is_named() {
    let error = merged(&[], &[], &[]).unwrap().key().unwrap_err();
    assert_eq!(error.kind(), Kind::Auth);
    for way in ["PDFCO_API_KEY", "X_API_KEY", ".env", "PDFCO_ENV_FILE", "`api_key`", "PDFCO_SIMULATE"] {
        assert!(error.hint().text(Audience::Agent).contains(way), "{way}");
    }
    for way in ["PDFCO_API_KEY", "X_API_KEY", ".env", "--env-file", "--api-key", "pdfco key set", "--simulate"] {
        assert!(error.hint().text(Audience::Shell).contains(way), "{way}");
    }
    let for_agents = error.hint().text(Audience::Agent);
    assert!(!for_agents.contains("--") && !for_agents.contains("pdfco key"), "{for_agents}");
}

#[test]
fn an_unfilled_placeholder_counts_as_not_set() {
    let config = merged(
        &[],
        &[("PDFCO_API_KEY", "${user_config.api_key}"), ("PDFCO_DOWNLOAD_DIR", "${user_config.output_dir}")],
        &[],
    )
    .unwrap();
    assert!(!config.has_key());
    assert_eq!((config.download_dir_is_set(), config.download_dir), (false, PathBuf::from("/downloads/pdfco")));
    let config = merged(&[], &[("PDFCO_DOWNLOAD_DIR", "${DOWNLOADS}/pdfco")], &[]).unwrap();
    assert_eq!(config.download_dir, PathBuf::from("/downloads/pdfco"));
    let config = merged(&[], &[("PDFCO_DOWNLOAD_DIR", "/costs/$100")], &[]).unwrap();
    assert_eq!(config.download_dir, PathBuf::from("/costs/$100"), "a name of one's own stays");
}

#[cfg(unix)]
#[test]
fn folders_on_the_command_line_join_those_of_the_flag() {
    let files = |flag: &str, folders: &[&str]| {
        let folders: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        Ok::<_, Error>(with_folders(values(&[("PDFCO_FILES", flag)]), &folders)?.remove("PDFCO_FILES").unwrap())
    };
    assert_eq!(files("/a", &["/b c", "/d"]).unwrap(), "/a:/b c:/d");
    assert_eq!(files("", &["/b", "${user_config.allowed_dirs}", ""]).unwrap(), "/b");
    assert_eq!(files("", &[]).unwrap(), "");
    assert_eq!(files("/a", &["/b:c"]).unwrap_err().kind(), Kind::InvalidArgument);
}

/// Settings of an allowed folder's file beside those of the environment.
fn with_allowed(environment: &[(&str, &str)], file: &[(&str, &str)]) -> Result<Config> {
    let ranks = vec![(Origin::Environment, values(environment)), (Origin::AllowedEnvFile, values(file))];
    resolve(&Ranks(ranks), &Folders::default())
}

#[test]
fn an_allowed_file_does_not_lead_a_foreign_key_astray() {
    let elsewhere = [("PDFCO_BASE_URL", "https://evil.test")];
    let config = with_allowed(&[("PDFCO_API_KEY", "k")], &elsewhere).unwrap();
    assert!(config.key().is_err());
    assert!(config.may_be_given(Origin::Flag).is_err(), "a key of a request is not the file's");
    let both = [("PDFCO_BASE_URL", "https://mine.test"), ("PDFCO_API_KEY", "k")];
    assert!(with_allowed(&[], &both).unwrap().key().is_ok());
    assert!(merged(&[], &[("PDFCO_API_KEY", "k")], &elsewhere).unwrap().key().is_ok(), "a file that was named");
}

#[test]
fn an_environment_key_outranks_a_file_key_under_any_name() {
    let config = merged(&[], &[("X_API_KEY", "mine")], &[("PDFCO_API_KEY", "theirs")]).unwrap();
    assert_eq!(config.key().unwrap().fingerprint(), ApiKey::new("mine").unwrap().fingerprint());
}

#[test]
fn an_allowed_file_widens_access_only_with_its_own_key() {
    for setting in SETTINGS.iter().filter(|setting| setting.trust == Trust::WithKey) {
        let value = match setting.kind {
            SettingKind::CallbackUrl | SettingKind::Address => "https://evil.test",
            SettingKind::Socket => "127.0.0.1:1",
            SettingKind::Days { .. } | SettingKind::Integer { .. } => "7",
            SettingKind::Switch => "true",
            SettingKind::Hosts => "evil.test",
            SettingKind::Origins => "https://evil.test",
            SettingKind::Words => "email",
            SettingKind::Secret => "0123456789abcdef0123456789abcdef",
            _ => "/elsewhere",
        };
        let name = setting.variable;
        let error = with_allowed(&[("PDFCO_API_KEY", "k")], &[(name, value)]).unwrap_err();
        assert!(error.message().contains(name), "{error}");
        assert!(with_allowed(&[], &[(name, value), ("PDFCO_API_KEY", "k")]).is_ok(), "{name}");
    }
}

#[test]
fn no_file_names_another_file() {
    let config = merged(&[], &[], &[("PDFCO_ENV_FILE", "/other")]).unwrap();
    assert_eq!(config.env_file, None);
}

#[test]
fn bad_values_are_refused_by_name() {
    for (name, value) in [
        ("PDFCO_BASE_URL", "api.pdf.co"),
        ("PDFCO_CALLBACK_URL", "http://jobs.example.test"),
        ("PDFCO_RATE_LIMIT", "0"),
        ("PDFCO_RATE_LIMIT", "fast"),
        ("PDFCO_MAX_WAIT_SECONDS", "NaN"),
        ("PDFCO_MAX_WAIT_SECONDS", "-1"),
        ("PDFCO_READ_ONLY", "maybe"),
        ("PDFCO_CREDIT_BUDGET", "lots"),
        ("PDFCO_CHECK_WORTH_SECONDS", "0"),
    ] {
        let error = merged(&[], &[(name, value)], &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn the_example_file_lists_every_variable_with_its_default() {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
    let mut expected = String::from(
        "# Every setting of pdfco with its default. Copy this file to `.env`, uncomment what you change, and name it:\n\
         # `--env-file .env` for one command, or `pdfco env allow` once for its folder. A `.env` of the current folder is\n\
         # never read unasked; one in this user's configuration folder of pdfco always is.\n",
    );
    for setting in SETTINGS {
        expected.push_str(&format!("\n# {}\n# {}={}\n", setting.help, setting.variable, setting.default));
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example"), &expected).unwrap();
        return;
    }
    assert_eq!(example, expected, "run `UPDATE_FIXTURES=1 cargo test config`");
}

#[test]
fn the_home_folder_is_filled_in_and_no_folder_is_called_tilde() {
    for (text, expected) in [
        ("~", "/home/me"),
        ("~/out", "/home/me/out"),
        ("$HOME/out", "/home/me/out"),
        ("${HOME}/out", "/home/me/out"),
        ("\"~/out\"", "/home/me/out"),
        ("'/a b'", "/a b"),
        ("out", "out"),
        ("/a/~/b", "/a/~/b"),
        ("/costs/$100", "/costs/$100"),
        ("$100", "$100"),
    ] {
        let config = merged(&[], &[("PDFCO_DOWNLOAD_DIR", text)], &[]).unwrap();
        assert_eq!(config.download_dir, PathBuf::from(expected), "{text}");
        let config = merged(&[], &[("PDFCO_FILES", text)], &[]).unwrap();
        assert_eq!(config.files, Some(vec![PathBuf::from(expected)]), "{text}");
    }
    for text in ["~root/out", "$DOCUMENTS/out", "%APPDATA%/out"] {
        for variable in ["PDFCO_DOWNLOAD_DIR", "PDFCO_FILES", "PDFCO_LEDGER"] {
            let error = merged(&[], &[(variable, text)], &[]).unwrap_err();
            assert!(error.message().contains(variable), "{error}");
        }
    }
    assert!(merged(&[], &[("PDFCO_FILES", "/a,/b")], &[]).is_err(), "separated by commas");
    assert!(merged(&[], &[("PDFCO_FILES", "file:///a")], &[]).is_err(), "a link");
    assert!(merged(&[], &[("PDFCO_DOWNLOAD_DIR", "file:///a")], &[]).is_err(), "a link");
    let unknown = Folders::default();
    assert!(merge(&values(&[("PDFCO_LEDGER", "~/l")]), &Values::new(), &Values::new(), &unknown).is_err());
}

/// Settings as a process in `folders` with these variables reads them.
fn loaded(flags: &[(&str, &str)], environment: &[(&str, &str)], folders: &Folders) -> Result<Config> {
    let variables = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    load_for(&values(flags), folders, variables)
}

#[test]
fn a_file_of_settings_is_read_when_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folders = Folders { config: Some(folder.path().join("config")), ..Folders::default() };
    let file = folder.path().join("mine.env");
    std::fs::write(&file, "OTHER=My App\nPDFCO_API_KEY=file\nPDFCO_LOG=info\n").unwrap();
    let named = [("PDFCO_ENV_FILE", file.to_str().unwrap())];

    for (flags, environment) in [(&named[..], &[][..]), (&[], &named)] {
        let config = loaded(flags, environment, &folders).unwrap();
        assert_eq!((config.log.as_str(), config.origin("PDFCO_API_KEY")), ("info", Origin::EnvFile));
        assert_eq!(config.source("PDFCO_API_KEY"), file.display().to_string());
    }
    assert!(!loaded(&[], &[], &folders).unwrap().has_key());

    let stored = StoredKey::of(&folders).unwrap();
    stored.store(&ApiKey::new("stored").unwrap(), false).unwrap();
    assert_eq!(loaded(&named, &[], &folders).unwrap().origin("PDFCO_API_KEY"), Origin::Stored);
    assert_eq!(loaded(&[], &[("X_API_KEY", "k")], &folders).unwrap().origin("PDFCO_API_KEY"), Origin::Environment);
    assert!(stored.remove().unwrap().is_some());
    std::fs::write(folder.path().join("config/.env"), "X_API_KEY=own\n").unwrap();
    assert_eq!(loaded(&[], &[], &folders).unwrap().origin("PDFCO_API_KEY"), Origin::OwnEnvFile);
    assert_eq!(loaded(&[], &[("X_API_KEY", "k")], &folders).unwrap().origin("PDFCO_API_KEY"), Origin::Environment);
}

#[test]
fn unusable_sources_are_noted_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let environment = [
        ("PDFCO_ENV_FILE", missing.to_str().unwrap()),
        ("PDFCO_FILE", "/a"),
        ("PDFCO_APIKEY", "canary"),
        ("PDFCO_DOWNLOAD_DIR", "${user_config.folder}"),
        ("HOME", "/root"),
    ];
    let config = loaded(&[], &environment, &Folders::default()).unwrap();
    let notes: Vec<String> = config.notes().collect();
    for word in ["PDFCO_FILES?", "PDFCO_API_KEY?", "PDFCO_DOWNLOAD_DIR holds a placeholder", "missing` cannot be read"]
    {
        assert!(notes.iter().any(|note| note.contains(word)), "{word}: {notes:?}");
    }
    assert!(!notes.concat().contains("canary") && notes.len() == 4, "{notes:?}");
    assert!(config.key().unwrap_err().message().contains("missing"));
    let error = loaded(&[("PDFCO_ENV_FILE", missing.to_str().unwrap())], &[], &Folders::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf_8_are_noted() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [("PDFCO_FILES".into(), std::ffi::OsString::from_vec(b"/caf\xe9".to_vec()))];
    let config = load_for(&Values::new(), &Folders::default(), variables.into_iter()).unwrap();
    assert_eq!(config.files, None);
    assert_eq!(config.notes().collect::<Vec<_>>(), ["PDFCO_FILES is not used: its value is not UTF-8."]);
}

#[test]
fn programs_that_are_started_see_no_secret_variable() {
    let secrets: Vec<&str> = SETTINGS.iter().filter(|setting| setting.is_secret()).flat_map(Setting::names).collect();
    let mut known = super::keychain::SECRETS.to_vec();
    known.sort_unstable();
    let mut secrets = secrets;
    secrets.sort_unstable();
    assert_eq!(secrets, known);
}

#[test]
fn an_address_to_listen_on_is_written_in_several_ways() {
    for (text, expected) in [
        ("127.0.0.1:8911", Some("127.0.0.1:8911")),
        ("localhost:8911", Some("127.0.0.1:8911")),
        ("LOCALHOST:0", Some("127.0.0.1:0")),
        (":8911", Some("127.0.0.1:8911")),
        ("8911", Some("127.0.0.1:8911")),
        ("[::1]:8911", Some("[::1]:8911")),
        ("0.0.0.0:80", Some("0.0.0.0:80")),
        ("localhost", None),
        ("jobs.example.com:8911", None),
        (":", None),
        ("70000", None),
        ("127.0.0.1", None),
    ] {
        let config = merged(&[("PDFCO_HTTP", text)], &[], &[]);
        assert_eq!(config.ok().and_then(|config| config.http), expected.map(|text| text.parse().unwrap()), "{text}");
    }
}
