//! Tests of results as text.

use proptest::prelude::*;

use super::*;

#[test]
fn pages_say_where_to_go_on() {
    let text = "añ😀d";
    let page_of = |offset, limit| page(text, offset, limit);
    assert_eq!(
        page_of(0, 2),
        TextPage { text: "añ".into(), offset: 0, next_offset: Some(2), total_chars: 4, truncated: true }
    );
    assert_eq!(
        page_of(2, 2),
        TextPage { text: "😀d".into(), offset: 2, next_offset: None, total_chars: 4, truncated: false }
    );
    assert_eq!((page_of(9, 2).text.as_str(), page_of(9, 2).offset), ("", 4));
    assert_eq!(page_of(0, 0).text, "a");
    assert_eq!(page_of(u64::MAX, u64::MAX).next_offset, None);
    assert_eq!(
        page("", 0, 10),
        TextPage { text: String::new(), offset: 0, next_offset: None, total_chars: 0, truncated: false }
    );
}

#[test]
fn tails_are_lines_from_the_end() {
    for (text, lines, limit, expected, truncated) in [
        ("a\nb\nc\n", 2, 100, "b\nc\n", false),
        ("a\nb\nc", 2, 100, "b\nc", false),
        ("a\nb\nc\n", 1, 100, "c\n", false),
        ("a\nb", 9, 100, "a\nb", false),
        ("a\nb", u64::MAX, 100, "a\nb", false),
        ("a\nb", 0, 100, "", false),
        ("a\n\n", 1, 100, "\n", false),
        ("\n", 1, 100, "\n", false),
        ("", 3, 100, "", false),
        ("a\nñ😀c", 1, 2, "😀c", true),
    ] {
        let tail = tail(text, lines, limit);
        assert_eq!(
            (tail.text.as_str(), tail.truncated, tail.next_offset),
            (expected, truncated, None),
            "{text:?} {lines}"
        );
    }
}

proptest! {
    #[test]
    fn pages_put_together_are_the_text(text in "(\\PC|\n){0,200}", limit in 0_u64..30) {
        let (mut whole, mut offset, mut pages) = (String::new(), Some(0), 0);
        while let Some(at) = offset {
            let page = page(&text, at, limit);
            prop_assert_eq!(page.offset, at);
            prop_assert!(page.text.chars().count() as u64 <= limit.max(1));
            whole.push_str(&page.text);
            offset = page.next_offset;
            pages += 1;
            prop_assert!(pages <= 201);
        }
        prop_assert_eq!(whole, text);
    }

    #[test]
    fn a_tail_is_the_end_of_the_text_and_says_where_it_begins(text in "[aé😀\n]{0,80}", lines in 0_u64..20, limit in 1_u64..60) {
        let tail = tail(&text, lines, limit);
        prop_assert!(text.ends_with(&tail.text));
        let before: String = text.chars().take(tail.offset as usize).collect();
        prop_assert_eq!(format!("{before}{}", tail.text), text);
        prop_assert!(tail.text.lines().count() as u64 <= lines);
        prop_assert!(tail.text.chars().count() as u64 <= limit);
    }
}
