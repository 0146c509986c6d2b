//! The real text of real pages: a page's content stream in its order, with line ends where the text moves up or down. There
//! is no layout beyond lines.

use std::collections::BTreeMap;

use lopdf::content::Content;
use lopdf::{Document, Encoding, Object, ObjectId};

/// Largest content stream and font table that is unpacked.
const STREAM_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest text of a page.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting of graphics states.
const STATES_MAX: usize = 64;
/// A kerning number below this is a space between words, in thousandths of the font size.
const WORD_GAP: f32 = -200.0;
/// Average width of a sign, in font sizes; fonts are not measured here.
const SIGN_WIDTH: f32 = 0.5;

/// A transformation `[a b c d e f]` as PDF writes it.
type Matrix = [f32; 6];

const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// The lines of a page, without empty ones at the end.
pub(super) fn lines(document: &Document, page: ObjectId) -> Vec<String> {
    let fonts = document.get_page_fonts(page).unwrap_or_default();
    let encodings: BTreeMap<Vec<u8>, Encoding<'_>> = fonts
        .into_iter()
        .filter_map(|(name, font)| Some((name, font.get_font_encoding_with_limit(document, STREAM_BYTES_MAX).ok()?)))
        .collect();
    let content = document.get_page_content_with_limit(page, STREAM_BYTES_MAX).unwrap_or_default();
    let mut pen = Pen::new();
    let mut encoding = None;
    for operation in Content::decode(&content).map(|content| content.operations).unwrap_or_default() {
        if pen.text.len() > TEXT_BYTES_MAX {
            break;
        }
        let operands = operation.operands.as_slice();
        match operation.operator.as_str() {
            "Tf" => {
                encoding = operands.first().and_then(|name| encodings.get(name.as_name().ok()?));
                pen.size = operands.get(1).and_then(number).unwrap_or(pen.size);
            }
            "Tj" | "TJ" => pen.show_all(operands, encoding),
            "'" => {
                pen.next_line();
                pen.show_all(operands, encoding);
            }
            "\"" => {
                pen.next_line();
                pen.show_all(operands.get(2..).unwrap_or_default(), encoding);
            }
            operator => pen.step(operator, operands),
        }
    }
    let mut lines: Vec<String> = pen.text.lines().map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Where the text is being written, and what was written so far.
struct Pen {
    text: String,
    states: Vec<Matrix>,
    state: Matrix,
    line: Matrix,
    size: f32,
    leading: f32,
    /// Where the last sign ended on the page: its end (guessed) and its base line.
    last: Option<(f32, f32)>,
    /// How far the pen went since the start of the line, before transformation.
    advance: f32,
}

impl Pen {
    fn new() -> Pen {
        Pen {
            text: String::new(),
            states: Vec::new(),
            state: IDENTITY,
            line: IDENTITY,
            size: 1.0,
            leading: 0.0,
            last: None,
            advance: 0.0,
        }
    }

    /// Operators that move the pen.
    fn step(&mut self, operator: &str, operands: &[Object]) {
        let at = |index: usize| operands.get(index).and_then(number).unwrap_or(0.0);
        let matrix = || [at(0), at(1), at(2), at(3), at(4), at(5)];
        match operator {
            "q" if self.states.len() < STATES_MAX => self.states.push(self.state),
            "Q" => self.state = self.states.pop().unwrap_or(self.state),
            "cm" => self.state = product(matrix(), self.state),
            "BT" => self.start(IDENTITY),
            "Tm" => self.start(matrix()),
            "Td" => self.shift(at(0), at(1)),
            "TD" => {
                self.leading = -at(1);
                self.shift(at(0), at(1));
            }
            "TL" => self.leading = at(0),
            "T*" => self.next_line(),
            _ => {}
        }
    }

    fn start(&mut self, matrix: Matrix) {
        self.line = matrix;
        self.advance = 0.0;
    }

    fn shift(&mut self, x: f32, y: f32) {
        self.start(product([1.0, 0.0, 0.0, 1.0, x, y], self.line));
    }

    fn next_line(&mut self) {
        self.shift(0.0, -self.leading);
    }

    fn show_all(&mut self, operands: &[Object], encoding: Option<&Encoding<'_>>) {
        for operand in operands {
            match operand {
                Object::String(bytes, _) => self.show(bytes, encoding),
                Object::Array(pieces) => {
                    for piece in pieces {
                        match (piece, number(piece)) {
                            (Object::String(bytes, _), _) => self.show(bytes, encoding),
                            (_, Some(gap)) => {
                                self.advance -= gap / 1_000.0 * self.size;
                                if gap < WORD_GAP {
                                    self.space();
                                }
                                self.last = self.last.map(|(_, y)| (self.position().0, y));
                            }
                            (_, None) => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, bytes: &[u8], encoding: Option<&Encoding<'_>>) {
        let decoded = encoding.and_then(|encoding| Document::decode_text(encoding, bytes).ok());
        let piece = decoded.unwrap_or_else(|| bytes.iter().map(|byte| char::from(*byte)).collect());
        let piece: String = piece.chars().filter(|sign| !sign.is_control()).collect();
        if piece.is_empty() {
            return;
        }
        let (x, y) = self.position();
        let unit = self.size.abs() * self.scale();
        match self.last {
            Some((_, last_y)) if (last_y - y).abs() > (unit * 0.5).max(1.0) => self.text.push('\n'),
            Some((end, _)) if x - end > unit * 0.4 || end - x > unit * 8.0 => self.space(),
            Some(_) | None => {}
        }
        self.advance += piece.chars().count() as f32 * SIGN_WIDTH * self.size;
        self.text.push_str(&piece);
        self.last = Some((self.position().0, y));
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    /// The pen's place on the page.
    fn position(&self) -> (f32, f32) {
        let [_, _, _, _, x, y] = product(product([1.0, 0.0, 0.0, 1.0, self.advance, 0.0], self.line), self.state);
        (x, y)
    }

    /// How much larger text gets on its way to the page.
    fn scale(&self) -> f32 {
        let [a, b, ..] = product(self.line, self.state);
        a.hypot(b)
    }
}

fn product(left: Matrix, right: Matrix) -> Matrix {
    let ([a, b, c, d, e, f], [ra, rb, rc, rd, re, rf]) = (left, right);
    [a * ra + b * rc, a * rb + b * rd, c * ra + d * rc, c * rb + d * rd, e * ra + f * rc + re, e * rb + f * rd + rf]
}

fn number(object: &Object) -> Option<f32> {
    object.as_float().ok()
}
