//! What the tests of every flow's demo stand on: a run over files that were changed before it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::Flow;
use super::story::Story;
use super::teller::Teller;

/// What lies in a folder before a demo runs.
pub(super) trait InFolder {
    fn folder(&self) -> &Path;
}

/// Runs a demo over files that `change` changes before anybody reads them.
pub(super) async fn told<F: Flow<Grounds: InFolder>>(change: impl FnOnce(&Path)) -> Story {
    let grounds = F::prepare().unwrap();
    let folder = grounds.folder().to_owned();
    by::<F>(grounds, &folder, change).await
}

/// Runs a demo over its files in `folder`, which `change` changes before anybody reads them.
pub(super) async fn by<F: Flow>(
    grounds: F::Grounds,
    folder: &Path,
    change: impl FnOnce(&Path),
) -> Story {
    change(folder);
    let teller = Arc::new(Teller::new(F::NUMBER, None));
    let mut world = F::start(grounds, Arc::clone(&teller)).unwrap();
    world.tell().await.unwrap();
    world.into_servers().stop().await;
    assert!(!folder.exists(), "keys and secrets go with the demo");
    teller.story().unwrap()
}

/// Replaces a text that is there once in a file.
pub(super) fn replace(folder: &Path, file: &str, old: &str, new: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old} in {file}");
    fs::write(path, text.replace(old, new)).unwrap();
}

pub(super) fn differences(story: &Story) -> Vec<&str> {
    let steps = story.steps.iter().flat_map(|step| &step.differs);
    let refusals = story.refusals.iter().flat_map(|refusal| &refusal.differs);
    let data = story.data.iter().flat_map(|data| &data.differs);
    steps.chain(refusals).chain(data).map(String::as_str).collect()
}

#[track_caller]
pub(super) fn differs(story: &Story, expected: &str) {
    assert!(!story.as_drawn());
    let found = differences(story);
    assert!(found.contains(&expected), "{found:#?}");
}
