//! The text of a format → the steps of a [`Template`].

use super::error::Flaw;
use super::field::Field;
use super::hex::Case;
use super::time::Piece;
use super::{JsonDialect, Number, Step, Template, TemplateError};

/// Padding and decimals beyond this are a typing error that would fill the memory.
const WIDEST: usize = 1_000_000;

/// What may stand before the `x` of a hexadecimal payload, and so before any specifier.
const SEPARATORS: &[u8] = b" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~";

impl Template {
    pub fn parse(format: impl AsRef<[u8]>, json: JsonDialect) -> Result<Self, TemplateError> {
        let mut parser = Parser {
            format: format.as_ref(),
            at: 0,
            json,
            template: Self {
                steps: Vec::new(),
                literals: Vec::new(),
                pieces: Vec::new(),
                timed: false,
            },
        };
        while let Some(byte) = parser.next() {
            let begin = parser.at - 1;
            match byte {
                b'%' => parser.specifier(begin)?,
                b'@' => parser.time(begin)?,
                b'\\' => parser.escape(begin)?,
                other => parser.literal(other),
            }
        }
        Ok(parser.template)
    }
}

struct Parser<'a> {
    format: &'a [u8],
    at: usize,
    json: JsonDialect,
    template: Template,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Takes the byte if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn number(&mut self) -> usize {
        let mut number: usize = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number
                .saturating_mul(10)
                .saturating_add(usize::from(digit - b'0'));
            self.at += 1;
        }
        number
    }

    fn flaw(&self, flaw: Flaw, begin: usize) -> TemplateError {
        TemplateError {
            flaw,
            place: begin..self.at,
        }
    }

    fn literal(&mut self, byte: u8) {
        self.template.literals.push(byte);
        if let Some(Step::Literal(len)) = self.template.steps.last_mut() {
            *len += 1;
        } else {
            self.template.steps.push(Step::Literal(1));
        }
    }

    /// The instant of the message is needed for this.
    fn timed(&mut self, piece: Piece) {
        self.template.pieces.push(piece);
        self.template.timed = true;
    }

    /// `%[-][0][width][.precision][separator]X`
    fn specifier(&mut self, begin: usize) -> Result<(), TemplateError> {
        let mut field = Field {
            left: self.take(b'-'),
            zero: self.take(b'0'),
            width: self.number(),
            ..Field::default()
        };
        if self.take(b'.') {
            field.precision = Some(self.number());
        }
        let mut missing = Flaw::IncompleteSpecifier;
        if let Some(separator) = self.peek().filter(|byte| SEPARATORS.contains(byte)) {
            field.separator = separator;
            missing = Flaw::SeparatorAlone;
            self.at += 1;
        }
        let byte = self.next().ok_or_else(|| self.flaw(missing, begin))?;
        let step = match byte {
            b'%' => {
                self.literal(b'%');
                return Ok(());
            }
            b'I' => {
                self.timed(Piece::IsoTime);
                Step::Time(field)
            }
            b'U' => {
                self.timed(Piece::Conversion(b's'));
                self.template.steps.push(Step::Time(Field::default()));
                self.literal(b'.');
                Step::Nanoseconds
            }
            b'j' | b'J' => self.json(byte == b'J'),
            b'A' => Step::Number(Number::TopicAlias, field),
            b'C' => Step::ContentType(field),
            b'D' => Step::CorrelationData,
            b'E' => {
                let signed = matches!(self.json, JsonDialect::Mosquitto(_));
                Step::Number(Number::MessageExpiry { signed }, field)
            }
            b'F' => Step::Number(Number::PayloadFormat, field),
            b'P' => Step::UserProperties,
            b'R' => Step::ResponseTopic(field),
            b'S' => Step::Number(Number::SubscriptionIdentifier, field),
            b'X' => Step::Hex(field, Case::Upper),
            b'd' => Step::Double(field),
            b'f' => Step::Float(field),
            b'l' => Step::Number(Number::PayloadLength, field),
            b'm' => Step::Number(Number::PacketId, field),
            b'p' => Step::Payload(field),
            b'q' => Step::Qos,
            b'r' => Step::Retain,
            b't' => Step::Topic(field),
            b'x' => Step::Hex(field, Case::Lower),
            _ => return Err(self.flaw(Flaw::UnknownSpecifier(byte), begin)),
        };
        let decimals = match step {
            Step::Float(field) | Step::Double(field) => field.precision.unwrap_or(0),
            _ => 0,
        };
        if field.width > WIDEST || decimals > WIDEST {
            return Err(self.flaw(Flaw::TooWide, begin));
        }
        self.template.steps.push(step);
        Ok(())
    }

    fn json(&mut self, parsed: bool) -> Step {
        self.template.timed = true;
        match self.json {
            JsonDialect::Native(layout) => Step::Json { parsed, layout },
            JsonDialect::Mosquitto(layout) => {
                self.template.pieces.push(Piece::IsoDateTime);
                self.template.pieces.push(Piece::Conversion(b'z'));
                Step::MosquittoJson { parsed, layout }
            }
        }
    }

    /// `@X`: a conversion of strftime.
    fn time(&mut self, begin: usize) -> Result<(), TemplateError> {
        match self.next() {
            None => return Err(self.flaw(Flaw::IncompleteSpecifier, begin)),
            Some(b'@') => self.literal(b'@'),
            Some(b'N') => {
                self.template.steps.push(Step::Nanoseconds);
                self.template.timed = true;
            }
            Some(conversion) => {
                self.timed(Piece::Conversion(conversion));
                self.template.steps.push(Step::Time(Field::default()));
            }
        }
        Ok(())
    }

    fn escape(&mut self, begin: usize) -> Result<(), TemplateError> {
        let byte = match self.next() {
            None => return Err(self.flaw(Flaw::IncompleteEscape, begin)),
            Some(b'\\') => b'\\',
            Some(b'0') => 0,
            Some(b'a') => 0x07,
            Some(b'e') => 0x1b,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0b,
            Some(byte) => return Err(self.flaw(Flaw::UnknownEscape(byte), begin)),
        };
        self.literal(byte);
        Ok(())
    }
}
