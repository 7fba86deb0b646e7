use serde_json::json;

use super::*;

const SCHEMA: &str =
    "entity User; entity Doc; action read appliesTo { principal: [User], resource: [Doc] };";
const GOOD: &str = r#"@id("good") permit (principal, action, resource);"#;

fn directory(name: &str) -> PathBuf {
    let directory =
        std::env::temp_dir().join(format!("countersign-cedar-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

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
    let directory = directory("reload");
    let file = directory.join("a.cedar");
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
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_bad_file_is_refused_at_the_start_by_name() {
    let directory = directory("start");
    let (good, bad) = (directory.join("good.cedar"), directory.join("bad.cedar"));
    std::fs::write(&good, GOOD).unwrap();
    std::fs::write(&bad, GOOD).unwrap();
    let error = PolicyFiles::open(SCHEMA, [good.clone(), bad.clone()]).unwrap_err();
    assert!(error.to_string().contains("bad.cedar"), "{error}");
    std::fs::write(&bad, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(PolicyFiles::open(SCHEMA, [bad]).is_err(), "too large");
    assert!(PolicyFiles::open(SCHEMA, [good]).is_ok());
    std::fs::remove_dir_all(directory).unwrap();
}
