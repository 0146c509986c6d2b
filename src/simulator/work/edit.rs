//! New documents out of pages of others: split, merge, rotate, delete pages. Pages are copied with everything they need;
//! bookmarks and forms belong to the document that they came from, and are left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lopdf::{Dictionary, Document, Object, ObjectId, dictionary};

use super::pdf::Pdf;
use crate::simulator::reply::Refusal;

/// Objects that one new document may have.
const OBJECTS_MAX: usize = 400_000;
/// Deepest nesting of an object that is copied.
const DEPTH_MAX: usize = 100;
/// Attributes that a page may have from the tree above it, which it leaves.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

/// A document of the given pages (counted from 0) of the given documents, each page turned by its angle.
///
/// # Errors
/// 450 when no page is left, 442 when a page cannot be copied.
pub(super) fn assemble(parts: &[(&Pdf, Vec<u32>)], turn: impl Fn(u32) -> i64) -> Result<Vec<u8>, Refusal> {
    let newest = parts.iter().map(|(pdf, _)| pdf.document.version.as_str()).max().unwrap_or_default();
    let mut target = Document::with_version(newest.max("1.5"));
    let tree = target.new_object_id();
    let mut kids = Vec::new();
    for (pdf, pages) in parts {
        let chosen: Vec<(u32, ObjectId, ObjectId)> = pages
            .iter()
            .filter_map(|index| Some((*index, *pdf.pages.get(usize::try_from(*index).ok()?)?)))
            .map(|(index, old)| (index, old, target.new_object_id()))
            .collect();
        // Known before anything is copied, so that links between chosen pages stay links.
        let mut copy = Copy::new(pdf, chosen.iter().map(|(_, old, new)| (*old, *new)).collect());
        for (index, old, new) in chosen {
            copy.page(&mut target, old, new, tree, turn(index))?;
            kids.push(Object::Reference(new));
        }
    }
    if kids.is_empty() {
        return Err(Refusal::new(450, "Invalid page range: no page is left."));
    }
    let count = i64::try_from(kids.len()).unwrap_or(i64::MAX);
    target.set_object(tree, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count });
    let catalog = target.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    let about = target.add_object(dictionary! { "Producer" => Object::string_literal("pdfco simulator") });
    target.trailer.set("Root", catalog);
    target.trailer.set("Info", about);
    let mut bytes = Vec::new();
    target.save_to(&mut bytes).map_err(|_| broken())?;
    Ok(bytes)
}

fn broken() -> Refusal {
    Refusal::new(442, "Input document is damaged or of incorrect type.")
}

/// Copies pages of one document into another. Fonts and images that pages share stay shared.
struct Copy<'a> {
    pdf: &'a Pdf,
    known: BTreeMap<ObjectId, ObjectId>,
    /// What a copied page must not drag along: all other pages, and the root.
    strangers: BTreeSet<ObjectId>,
    queue: VecDeque<(ObjectId, ObjectId)>,
}

impl<'a> Copy<'a> {
    fn new(pdf: &'a Pdf, known: BTreeMap<ObjectId, ObjectId>) -> Self {
        let root = pdf.document.trailer.get(b"Root").and_then(Object::as_reference).ok();
        Copy { pdf, known, strangers: pdf.pages.iter().copied().chain(root).collect(), queue: VecDeque::new() }
    }

    /// Copies the page `old` to `new`, with everything it refers to that is not there yet.
    fn page(
        &mut self,
        target: &mut Document,
        old: ObjectId,
        new: ObjectId,
        tree: ObjectId,
        angle: i64,
    ) -> Result<(), Refusal> {
        let pdf = self.pdf;
        let mut page = pdf.document.get_dictionary(old).map_err(|_| broken())?.clone();
        for name in INHERITED {
            if let Some(value) = pdf.attribute(old, name) {
                page.set(name, value.clone());
            }
        }
        if angle != 0 {
            let before = page.get(b"Rotate").and_then(Object::as_i64).unwrap_or(0);
            page.set("Rotate", before.saturating_add(angle).rem_euclid(360));
        }
        // Both lead back to the document that the page leaves.
        page.remove(b"Parent");
        page.remove(b"StructParents");
        self.rewrite_values(target, &mut page, 0);
        page.set("Parent", tree);
        target.objects.insert(new, Object::Dictionary(page));
        while let Some((old, new)) = self.queue.pop_front() {
            let mut object = pdf.document.get_object(old).cloned().unwrap_or(Object::Null);
            self.rewrite(target, &mut object, 0);
            target.objects.insert(new, object);
            if target.objects.len() > OBJECTS_MAX {
                return Err(Refusal::new(454, "Invalid parameters: the new document is too large for the simulator."));
            }
        }
        Ok(())
    }

    /// Turns references of the source into references of the target, and notes what has to be copied yet.
    fn rewrite(&mut self, target: &mut Document, object: &mut Object, depth: usize) {
        if depth > DEPTH_MAX {
            *object = Object::Null;
            return;
        }
        match object {
            Object::Reference(old) => match self.known.get(old) {
                Some(new) => *object = Object::Reference(*new),
                None if self.strangers.contains(old) => *object = Object::Null,
                None => {
                    let new = target.new_object_id();
                    self.known.insert(*old, new);
                    self.queue.push_back((*old, new));
                    *object = Object::Reference(new);
                }
            },
            Object::Array(values) => {
                values.iter_mut().for_each(|value| self.rewrite(target, value, depth.saturating_add(1)))
            }
            Object::Dictionary(values) => self.rewrite_values(target, values, depth),
            Object::Stream(stream) => {
                // The length may have been an object of its own.
                stream.dict.set("Length", i64::try_from(stream.content.len()).unwrap_or(i64::MAX));
                self.rewrite_values(target, &mut stream.dict, depth);
            }
            _ => {}
        }
    }

    fn rewrite_values(&mut self, target: &mut Document, values: &mut Dictionary, depth: usize) {
        values.iter_mut().for_each(|(_, value)| self.rewrite(target, value, depth.saturating_add(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{samples, text};
    use super::*;

    fn words(bytes: &[u8]) -> Vec<String> {
        let pdf = Pdf::load(bytes, None).unwrap();
        pdf.pages.iter().map(|page| text::lines(&pdf.document, *page).join("|")).collect()
    }

    #[test]
    fn what_is_split_and_merged_again_reads_the_same() {
        let bytes = samples::pdf(&[&["one", "uno"], &["two"], &["three"]]).unwrap();
        let pdf = Pdf::load(&bytes, None).unwrap();
        assert_eq!(words(&bytes), ["one|uno", "two", "three"]);
        let first = assemble(&[(&pdf, vec![0])], |_| 0).unwrap();
        let rest = assemble(&[(&pdf, vec![1, 2])], |_| 0).unwrap();
        assert_eq!(words(&rest), ["two", "three"]);
        let (first, rest) = (Pdf::load(&first, None).unwrap(), Pdf::load(&rest, None).unwrap());
        let merged = assemble(&[(&rest, vec![0, 1]), (&first, vec![0])], |_| 0).unwrap();
        assert_eq!(words(&merged), ["two", "three", "one|uno"]);
    }

    #[test]
    fn pages_turn_clockwise_and_only_those_that_were_named() {
        let bytes = samples::pdf(&[&["one"], &["two"]]).unwrap();
        let pdf = Pdf::load(&bytes, None).unwrap();
        let turned = assemble(&[(&pdf, vec![0, 1])], |page| if page == 1 { 450 } else { 0 }).unwrap();
        let turned = Pdf::load(&turned, None).unwrap();
        let angles: Vec<_> =
            turned.pages.iter().map(|page| turned.attribute(*page, b"Rotate").and_then(|a| a.as_i64().ok())).collect();
        assert_eq!(angles, [None, Some(90)]);
    }

    #[test]
    fn no_page_is_no_document() {
        let bytes = samples::pdf(&[&["one"]]).unwrap();
        let pdf = Pdf::load(&bytes, None).unwrap();
        assert_eq!(assemble(&[(&pdf, vec![])], |_| 0).unwrap_err().code, 450);
    }
}
