//! A page that was edited by hand, a page that is missing and a page of something that is gone are all stale.

use super::{OWNED, Pages, pages, stale};
use std::path::{Path, PathBuf};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("longshore-gen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join(OWNED[0])).expect("a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn paths(root: &Path, pages: &Pages) -> Vec<String> {
    stale(root, pages).iter().map(|page| page.path.display().to_string()).collect()
}

#[test]
fn stale_pages_are_found_and_mended() {
    let folder = Folder::new("mended");
    let pages = pages("data = \"x\"\n");
    assert_eq!(stale(&folder.0, &pages).len(), pages.len());
    stale(&folder.0, &pages).iter().try_for_each(|page| page.mend(&folder.0)).expect("pages are written");
    assert_eq!(paths(&folder.0, &pages), Vec::<String>::new());

    std::fs::write(folder.0.join("docs/lifecycle.md"), "by hand").expect("a page is written");
    std::fs::write(folder.0.join("docs/errors/queue.gone.md"), "old").expect("a page is written");
    assert_eq!(paths(&folder.0, &pages), ["docs/lifecycle.md", "docs/errors/queue.gone.md"]);
}

#[test]
fn every_move_is_drawn_and_told() {
    let page = super::lifecycle::page();
    for one in longshore_queue::MOVES {
        assert!(page.contains(one.event), "{}", one.event);
        for (from, to) in one.from.iter().flat_map(|from| one.to.iter().map(move |to| (from, to))) {
            assert!(page.contains(&format!("    {from} --> {to}")), "{from} --> {to}");
        }
    }
}

#[test]
fn every_key_of_the_configuration_is_told() {
    let page = super::configuration::page("# About.\n\n# Where. --data\ndata = \"x\"\n\n[worker]\n# How long, in ms.\nlease_ms = 15\n");
    assert!(page.contains("About."));
    assert!(page.contains("### `data`\nDefault `\"x\"` · environment `LONGSHORE_DATA` · flag `--data`\n\nWhere.\n"), "{page}");
    assert!(
        page.contains("### `worker.lease_ms`\nDefault `15` · environment `LONGSHORE_WORKER__LEASE_MS`\n\nHow long, in ms.\n"),
        "{page}"
    );
}
