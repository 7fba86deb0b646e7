use serde_json::json;

use super::*;

const SCHEMA: &str =
    "entity User; entity Doc; action read appliesTo { principal: [User], resource: [Doc] };";
const GOOD: &str = r#"@id("good") permit (principal, action, resource);"#;

fn permits(files: &PolicyFiles) -> bool {
    let question = Question {
        principal: ("User", "a"),
        action: "read",
        resource: ("Doc", "1"),
        context: json!({}),
        entities: json!([]),
    };
    files.decide(&question).permitted
}

#[test]
fn a_bad_file_keeps_the_old_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.cedar");
    std::fs::write(&file, GOOD).unwrap();
    let files = PolicyFiles::open(SCHEMA, [file.clone()]).unwrap();
    assert!(permits(&files));
    for bad in ["permit", "permit (principal, action, resource);", "\u{0}"] {
        std::fs::write(&file, bad).unwrap();
        assert!(files.refresh().is_err(), "{bad}");
        assert!(!files.refresh().unwrap(), "reported once: {bad}");
        assert!(permits(&files), "{bad}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(files.refresh(), Err(PolicyFileError::Read { .. })));
    assert!(matches!(files.refresh(), Err(PolicyFileError::Read { .. })));
    assert!(permits(&files));
    std::fs::write(&file, r#"@id("nobody") forbid (principal, action, resource);"#).unwrap();
    assert!(files.refresh().unwrap());
    assert!(!files.refresh().unwrap(), "nothing new");
    assert!(!permits(&files));
}

#[test]
fn a_bad_file_is_refused_at_the_start_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (directory.path().join("good.cedar"), directory.path().join("bad.cedar"));
    std::fs::write(&good, GOOD).unwrap();
    std::fs::write(&bad, GOOD).unwrap();
    let error = PolicyFiles::open(SCHEMA, [good.clone(), bad.clone()]).unwrap_err();
    assert!(error.to_string().contains("bad.cedar"), "{error}");
    std::fs::write(&bad, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(PolicyFiles::open(SCHEMA, [bad]).is_err(), "too large");
    assert!(PolicyFiles::open(SCHEMA, [good]).is_ok());
}

/// What cannot be used where the rules are is refused at the start and ever after, however valid it
/// is.
#[test]
fn a_set_that_is_unfit_is_refused_whenever_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.cedar");
    let fit = |set: &Policies| match set.len() {
        1 => Ok(()),
        _ => Err("one rule, and no more".to_owned()),
    };
    std::fs::write(&file, format!("{GOOD}\n@id(\"no\") forbid (principal, action, resource);"))
        .unwrap();
    let open = || PolicyFiles::<Policies>::open_fit(SCHEMA, [file.clone()], fit);
    assert!(matches!(open(), Err(PolicyFileError::Unfit(_))));
    let two = std::fs::read(&file).unwrap();
    std::fs::write(&file, GOOD).unwrap();
    let files = open().unwrap();
    std::fs::write(&file, two).unwrap();
    let error = files.refresh().unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert!(permits(&files), "the old set stays");
    assert!(!files.refresh().unwrap(), "said once");
}

#[test]
fn a_directory_stands_for_its_files_and_those_to_come() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.cedar"), GOOD).unwrap();
    std::fs::write(directory.path().join("notes.txt"), "not Cedar").unwrap();
    std::fs::write(directory.path().join(".b.cedar"), "half of a fi").unwrap();
    let files = PolicyFiles::open(SCHEMA, [directory.path().to_owned()]).unwrap();
    assert!(permits(&files));
    let before = files.current_with_digest().1;
    let new = directory.path().join("b.cedar");
    std::fs::write(&new, r#"@id("nobody") forbid (principal, action, resource);"#).unwrap();
    assert!(files.refresh().unwrap());
    assert!(!permits(&files));
    assert_ne!(files.current_with_digest().1, before);
    std::fs::remove_file(&new).unwrap();
    assert!(files.refresh().unwrap());
    assert_eq!(files.current_with_digest().1, before);
    std::fs::write(&new, "permit").unwrap();
    assert!(files.refresh().unwrap_err().to_string().contains("b.cedar"));
    assert!(permits(&files), "the old set stays");
}
