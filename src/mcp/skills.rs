//! The skill, served over the protocol (SEP-2640): `skills/list`, `skills/get`, and its file as a resource.
//!
//! There is one skill, the file that the packages carry too.

use rmcp::model::{
    CacheScope, GetSkillResult, ListSkillsResult, ReadResourceResult, ResourceContents, Skill, SkillFrontmatter,
    SkillResource, SkillResources,
};

/// The skill's file.
const TEXT: &str = include_str!("../../skills/pdfco/SKILL.md");
/// Its address.
const URI: &str = "skill://pdfco/SKILL.md";
/// Its MIME type.
const MIME_TYPE: &str = "text/markdown";
/// How long a client may keep it: it changes with the version only.
const TTL_MS: u64 = 3_600_000;

/// All skills.
pub fn list() -> ListSkillsResult {
    ListSkillsResult::with_all_items(vec![skill()]).with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public)
}

/// The skill at `uri`, if it is one.
pub fn get(uri: &str) -> Option<GetSkillResult> {
    (uri == URI).then(|| GetSkillResult::new(skill()).with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
}

/// The file at `uri`, if it is one of a skill.
pub fn read(uri: &str) -> Option<ReadResourceResult> {
    (uri == URI).then(|| ReadResourceResult::new(vec![ResourceContents::text(TEXT, URI).with_mime_type(MIME_TYPE)]))
}

fn skill() -> Skill {
    let files = vec![SkillResource::from_bytes(URI, TEXT.as_bytes())];
    Skill::new(URI, frontmatter(), SkillResources::Files(files))
}

/// The fields between the two lines of dashes, each a line of its own.
fn frontmatter() -> SkillFrontmatter {
    let head = TEXT.split("---").nth(1).unwrap_or_default();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut frontmatter = SkillFrontmatter::new("pdfco", "");
    for (name, value) in fields {
        match name {
            "name" => frontmatter.name = value.to_owned(),
            "description" => frontmatter.description = value.to_owned(),
            other => frontmatter = frontmatter.with_field(other, value),
        }
    }
    frontmatter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::mcp::tools::ALL;

    #[test]
    fn the_entry_is_valid_and_its_digest_is_of_the_file() {
        let skill = skill();
        skill.validate().unwrap();
        assert!(skill.frontmatter.description.len() > 100, "{}", skill.frontmatter.description);
        let SkillResources::Files(files) = &skill.resources else { panic!("files") };
        let Some(ResourceContents::TextResourceContents { text, .. }) = read(URI).unwrap().contents.into_iter().next()
        else {
            panic!("text")
        };
        files[0].verify(text.as_bytes()).unwrap();
        assert!(read("skill://other/SKILL.md").is_none() && get("skill://other/SKILL.md").is_none());
    }

    #[test]
    fn the_skill_names_only_tools_and_arguments_that_exist() {
        let quoted = TEXT.split('`').skip(1).step_by(2);
        let is_name = |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        for word in quoted.filter(is_name) {
            let is_tool = ALL.iter().any(|tool| tool.name == word);
            let is_param = ALL.iter().any(|tool| tool.params.iter().any(|param| param.name == word));
            let is_operation = catalog::all().any(|operation| operation.name == word);
            assert!(is_tool || is_param || is_operation, "{word}");
        }
    }
}
