//! MQTT 5 properties (section 2.2.2): an ordered list, its names, where each may stand, and its bytes.
//!
//! Ours rather than rumqttc's because the order on the wire is kept both ways: mosquitto prints
//! properties in the order in which they came and sends them in the order in which they were typed.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::text::Text;

/// A packet, or the will in a CONNECT, that can carry properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Place {
    Connect = 1 << 0,
    ConnAck = 1 << 1,
    Publish = 1 << 2,
    Will = 1 << 3,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK take the same properties.
    Ack = 1 << 4,
    Subscribe = 1 << 5,
    Unsubscribe = 1 << 6,
    Disconnect = 1 << 7,
    Auth = 1 << 8,
}

const ANYWHERE: u16 = 0x1ff;
/// Bytes of a topic alias with its identifier.
pub const ALIAS_LEN: usize = 3;

/// How the value of a property is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Byte,
    TwoByte,
    FourByte,
    VariableByte,
    Text,
    Binary,
    Pair,
}

macro_rules! properties {
    ($($variant:ident = $id:literal, $name:literal, $kind:ident, $places:expr;)*) => {
        /// Property identifiers (section 2.2.2.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PropertyId { $($variant = $id),* }

        impl PropertyId {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub fn from_u8(id: u8) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)* _ => None }
            }

            /// The specification's name in lower case with hyphens, as `-D` and JSON have it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind),* }
            }

            fn places(self) -> u16 {
                use Place::*;
                match self { $(Self::$variant => $places),* }
            }
        }
    };
}

properties! {
    PayloadFormatIndicator = 0x01, "payload-format-indicator", Byte, Publish as u16 | Will as u16;
    MessageExpiryInterval = 0x02, "message-expiry-interval", FourByte, Publish as u16 | Will as u16;
    ContentType = 0x03, "content-type", Text, Publish as u16 | Will as u16;
    ResponseTopic = 0x08, "response-topic", Text, Publish as u16 | Will as u16;
    CorrelationData = 0x09, "correlation-data", Binary, Publish as u16 | Will as u16;
    SubscriptionIdentifier = 0x0b, "subscription-identifier", VariableByte, Publish as u16 | Subscribe as u16;
    SessionExpiryInterval = 0x11, "session-expiry-interval", FourByte, Connect as u16 | ConnAck as u16 | Disconnect as u16;
    AssignedClientIdentifier = 0x12, "assigned-client-identifier", Text, ConnAck as u16;
    ServerKeepAlive = 0x13, "server-keep-alive", TwoByte, ConnAck as u16;
    AuthenticationMethod = 0x15, "authentication-method", Text, Connect as u16 | ConnAck as u16 | Auth as u16;
    AuthenticationData = 0x16, "authentication-data", Binary, Connect as u16 | ConnAck as u16 | Auth as u16;
    RequestProblemInformation = 0x17, "request-problem-information", Byte, Connect as u16;
    WillDelayInterval = 0x18, "will-delay-interval", FourByte, Will as u16;
    RequestResponseInformation = 0x19, "request-response-information", Byte, Connect as u16;
    ResponseInformation = 0x1a, "response-information", Text, ConnAck as u16;
    ServerReference = 0x1c, "server-reference", Text, ConnAck as u16 | Disconnect as u16;
    ReasonString = 0x1f, "reason-string", Text, ConnAck as u16 | Ack as u16 | Disconnect as u16 | Auth as u16;
    ReceiveMaximum = 0x21, "receive-maximum", TwoByte, Connect as u16 | ConnAck as u16;
    TopicAliasMaximum = 0x22, "topic-alias-maximum", TwoByte, Connect as u16 | ConnAck as u16;
    TopicAlias = 0x23, "topic-alias", TwoByte, Publish as u16;
    MaximumQos = 0x24, "maximum-qos", Byte, ConnAck as u16;
    RetainAvailable = 0x25, "retain-available", Byte, ConnAck as u16;
    UserProperty = 0x26, "user-property", Pair, ANYWHERE;
    MaximumPacketSize = 0x27, "maximum-packet-size", FourByte, Connect as u16 | ConnAck as u16;
    WildcardSubscriptionAvailable = 0x28, "wildcard-subscription-available", Byte, ConnAck as u16;
    SubscriptionIdentifierAvailable = 0x29, "subscription-identifier-available", Byte, ConnAck as u16;
    SharedSubscriptionAvailable = 0x2a, "shared-subscription-available", Byte, ConnAck as u16;
}

impl PropertyId {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|id| id.name().eq_ignore_ascii_case(name))
    }

    pub fn allowed_in(self, place: Place) -> bool {
        self.places() & place as u16 != 0
    }

    /// Whether the property may stand more than once in one packet (section 2.2.2.2;
    /// several subscription identifiers only in a PUBLISH from the broker).
    pub fn repeats_in(self, place: Place) -> bool {
        self == Self::UserProperty
            || (self == Self::SubscriptionIdentifier && place == Place::Publish)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Byte(u8),
    TwoByte(u16),
    FourByte(u32),
    VariableByte(u32),
    Text(Text),
    Binary(Bytes),
    Pair(Text, Text),
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Self::Byte(_) => Kind::Byte,
            Self::TwoByte(_) => Kind::TwoByte,
            Self::FourByte(_) => Kind::FourByte,
            Self::VariableByte(_) => Kind::VariableByte,
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::Pair(..) => Kind::Pair,
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::TwoByte(_) => 2,
            Self::FourByte(_) => 4,
            Self::VariableByte(value) => variable_byte_len(*value as usize),
            Self::Text(text) => 2 + text.len(),
            Self::Binary(data) => 2 + data.len(),
            Self::Pair(name, value) => 4 + name.len() + value.len(),
        }
    }
}

/// Why a property or a list of them is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    #[error("unknown property identifier {0}")]
    Unknown(u8),
    #[error("property {0} is not allowed here")]
    Misplaced(&'static str),
    #[error("property {0} occurs twice")]
    Repeated(&'static str),
    #[error("property {name} must be {expected}")]
    Value {
        name: &'static str,
        expected: &'static str,
    },
    #[error("a property crosses the end of its packet")]
    Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    id: PropertyId,
    value: Value,
}

impl Property {
    /// Checks the value's kind and range.
    pub fn new(id: PropertyId, value: Value) -> Result<Self, PropertyError> {
        use PropertyId as Id;
        let refuse = |expected| {
            Err(PropertyError::Value {
                name: id.name(),
                expected,
            })
        };
        let Self { value, .. } = Self::unjudged(id, value)?;
        match (&value, id) {
            (Value::Byte(byte), _) if *byte > 1 => refuse("0 or 1"),
            (Value::TwoByte(0), Id::ReceiveMaximum | Id::TopicAlias) => {
                refuse("a number from 1 to 65535")
            }
            (Value::FourByte(0), Id::MaximumPacketSize) => refuse("a number from 1 to 4294967295"),
            (Value::VariableByte(0), _) => refuse("a number from 1 to 268435455"),
            (Value::Binary(data), _) if data.len() > 65_535 => refuse("at most 65535 bytes"),
            (Value::Text(topic), Id::ResponseTopic) => {
                match super::topic::check_name(topic.as_str()) {
                    Ok(()) => Ok(Self { id, value }),
                    Err(_) => refuse("a topic name without wildcards"),
                }
            }
            _ => Ok(Self { id, value }),
        }
    }

    /// Checks only what can be written at all: the value's kind, and how much its field holds. For what
    /// mosquitto's clients leave to the broker to judge.
    pub fn unjudged(id: PropertyId, value: Value) -> Result<Self, PropertyError> {
        let fits = !matches!(value, Value::VariableByte(268_435_456..));
        if value.kind() == id.kind() && fits {
            return Ok(Self { id, value });
        }
        Err(PropertyError::Value {
            name: id.name(),
            expected: match id.kind() {
                Kind::Byte => "0 or 1",
                Kind::TwoByte => "a number from 0 to 65535",
                Kind::FourByte => "a number from 0 to 4294967295",
                Kind::VariableByte => "a number from 1 to 268435455",
                Kind::Text => "text",
                Kind::Binary => "binary data",
                Kind::Pair => "a name and a value",
            },
        })
    }

    pub fn id(&self) -> PropertyId {
        self.id
    }

    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// The properties of one packet in their order on the wire. A clone shares them: bench sends the same
/// ones with every message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(Option<Arc<Vec<Property>>>);

impl Properties {
    pub const fn new() -> Self {
        Self(None)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Property> {
        self.0.as_deref().map_or(&[][..], Vec::as_slice).iter()
    }

    /// Adds a property, if the packet may carry it and has not got it yet.
    pub fn push(&mut self, place: Place, property: Property) -> Result<(), PropertyError> {
        let id = property.id;
        if !id.allowed_in(place) {
            return Err(PropertyError::Misplaced(id.name()));
        }
        if !id.repeats_in(place) && self.get(id).is_some() {
            return Err(PropertyError::Repeated(id.name()));
        }
        Arc::make_mut(self.0.get_or_insert_default()).push(property);
        Ok(())
    }

    pub fn get(&self, id: PropertyId) -> Option<&Value> {
        self.iter()
            .find(|property| property.id == id)
            .map(|property| &property.value)
    }

    /// The value of a property that is a number of any width.
    pub fn number(&self, id: PropertyId) -> Option<u32> {
        match self.get(id)? {
            Value::Byte(value) => Some(u32::from(*value)),
            Value::TwoByte(value) => Some(u32::from(*value)),
            Value::FourByte(value) | Value::VariableByte(value) => Some(*value),
            Value::Text(_) | Value::Binary(_) | Value::Pair(..) => None,
        }
    }

    pub fn text(&self, id: PropertyId) -> Option<&Text> {
        match self.get(id)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same list without one kind of property.
    #[must_use]
    pub fn without(&self, id: PropertyId) -> Self {
        let rest: Vec<_> = self
            .iter()
            .filter(|property| property.id != id)
            .cloned()
            .collect();
        Self((!rest.is_empty()).then(|| Arc::new(rest)))
    }

    /// Bytes of the properties without their length field.
    pub fn block_len(&self) -> usize {
        self.iter()
            .map(|property| 1 + property.value.encoded_len())
            .sum()
    }

    /// Writes the property length and the properties.
    pub fn write(&self, out: &mut BytesMut) {
        write_variable_byte(out, self.block_len());
        self.write_block(out);
    }

    /// The same with a topic alias at the end, which must not be among the properties.
    pub fn write_with_alias(&self, alias: u16, out: &mut BytesMut) {
        write_variable_byte(out, self.block_len() + ALIAS_LEN);
        self.write_block(out);
        out.put_u8(PropertyId::TopicAlias as u8);
        out.put_u16(alias);
    }

    fn write_block(&self, out: &mut BytesMut) {
        for property in self.iter() {
            out.put_u8(property.id as u8);
            match &property.value {
                Value::Byte(value) => out.put_u8(*value),
                Value::TwoByte(value) => out.put_u16(*value),
                Value::FourByte(value) => out.put_u32(*value),
                Value::VariableByte(value) => write_variable_byte(out, *value as usize),
                Value::Text(text) => write_binary(out, text.as_bytes()),
                Value::Binary(data) => write_binary(out, data),
                Value::Pair(name, value) => {
                    write_binary(out, name.as_bytes());
                    write_binary(out, value.as_bytes());
                }
            }
        }
    }

    /// Reads the property length and the properties, and leaves `input` behind them.
    pub fn read(input: &mut Bytes, place: Place) -> Result<Self, PropertyError> {
        let len = read_variable_byte(input)?;
        let mut block = take(input, len)?;
        let mut properties = Self::new();
        while block.has_remaining() {
            let id = block.get_u8();
            let id = PropertyId::from_u8(id).ok_or(PropertyError::Unknown(id))?;
            let text = |block: &mut Bytes| {
                Text::from_bytes(read_binary(block)?).map_err(|_| PropertyError::Value {
                    name: id.name(),
                    expected: "valid UTF-8 without U+0000",
                })
            };
            let value = match id.kind() {
                Kind::Byte => Value::Byte(take(&mut block, 1)?.get_u8()),
                Kind::TwoByte => Value::TwoByte(take(&mut block, 2)?.get_u16()),
                Kind::FourByte => Value::FourByte(take(&mut block, 4)?.get_u32()),
                Kind::VariableByte => Value::VariableByte(read_variable_byte(&mut block)? as u32),
                Kind::Text => Value::Text(text(&mut block)?),
                Kind::Binary => Value::Binary(read_binary(&mut block)?),
                Kind::Pair => Value::Pair(text(&mut block)?, text(&mut block)?),
            };
            properties.push(place, Property::new(id, value)?)?;
        }
        Ok(properties)
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a Property;
    type IntoIter = std::slice::Iter<'a, Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Bytes that a variable byte integer takes (section 1.5.5).
pub fn variable_byte_len(value: usize) -> usize {
    match value {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

pub fn write_variable_byte(out: &mut BytesMut, mut value: usize) {
    while value >= 128 {
        out.put_u8((value % 128) as u8 | 128);
        value /= 128;
    }
    out.put_u8(value as u8);
}

fn read_variable_byte(input: &mut Bytes) -> Result<usize, PropertyError> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = take(input, 1)?.get_u8();
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 128 {
            return Ok(value);
        }
    }
    Err(PropertyError::Cut)
}

fn write_binary(out: &mut BytesMut, data: &[u8]) {
    out.put_u16(data.len() as u16);
    out.extend_from_slice(data);
}

fn read_binary(input: &mut Bytes) -> Result<Bytes, PropertyError> {
    let len = take(input, 2)?.get_u16();
    take(input, usize::from(len))
}

fn take(input: &mut Bytes, len: usize) -> Result<Bytes, PropertyError> {
    if len > input.len() {
        return Err(PropertyError::Cut);
    }
    Ok(input.split_to(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn any_property(place: Place) -> impl Strategy<Value = Property> {
        let ids: Vec<_> = PropertyId::ALL
            .iter()
            .copied()
            .filter(|id| id.allowed_in(place))
            .collect();
        let text = "[a-zé/ ]{1,12}";
        (
            proptest::sample::select(ids),
            any::<u32>(),
            text,
            text,
            proptest::collection::vec(any::<u8>(), 0..40),
        )
            .prop_map(|(id, number, first, second, data)| {
                let text = |s: String| Text::try_from(s).unwrap();
                let value = match id.kind() {
                    Kind::Byte => Value::Byte((number % 2) as u8),
                    Kind::TwoByte => Value::TwoByte((number as u16).max(1)),
                    Kind::FourByte => Value::FourByte(number.max(1)),
                    Kind::VariableByte => Value::VariableByte(number % 268_435_455 + 1),
                    Kind::Text => Value::Text(text(first)),
                    Kind::Binary => Value::Binary(data.into()),
                    Kind::Pair => Value::Pair(text(first), text(second)),
                };
                Property::new(id, value).unwrap()
            })
    }

    proptest! {
        #[test]
        fn properties_come_back_in_their_order(list in proptest::collection::vec(any_property(Place::Publish), 0..8)) {
            let mut properties = Properties::new();
            for property in list {
                // a repeated one is refused, which is another test's subject
                let _ = properties.push(Place::Publish, property);
            }
            let mut out = BytesMut::new();
            properties.write(&mut out);
            let mut bytes = out.freeze();
            prop_assert_eq!(Properties::read(&mut bytes, Place::Publish), Ok(properties));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn random_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            for place in [Place::Connect, Place::ConnAck, Place::Publish, Place::Will, Place::Ack, Place::Auth] {
                let _ = Properties::read(&mut Bytes::from(data.clone()), place);
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        use PropertyId as Id;
        for (id, value) in [
            (Id::PayloadFormatIndicator, Value::Byte(2)),
            (Id::ReceiveMaximum, Value::TwoByte(0)),
            (Id::TopicAlias, Value::TwoByte(0)),
            (Id::MaximumPacketSize, Value::FourByte(0)),
            (Id::SubscriptionIdentifier, Value::VariableByte(0)),
            (Id::SubscriptionIdentifier, Value::VariableByte(268_435_456)),
            (
                Id::ResponseTopic,
                Value::Text(Text::try_from("a/#").unwrap()),
            ),
            (
                Id::CorrelationData,
                Value::Binary(Bytes::from(vec![0; 65_536])),
            ),
            (Id::ContentType, Value::Byte(1)),
        ] {
            assert!(
                Property::new(id, value.clone()).is_err(),
                "{id:?} {value:?}"
            );
        }
    }

    #[test]
    fn misplaced_and_repeated_properties_are_refused() {
        let alias = Property::new(PropertyId::TopicAlias, Value::TwoByte(1)).unwrap();
        let mut properties = Properties::new();
        assert_eq!(
            properties.push(Place::Connect, alias.clone()),
            Err(PropertyError::Misplaced("topic-alias"))
        );
        assert_eq!(properties.push(Place::Publish, alias.clone()), Ok(()));
        assert_eq!(
            properties.push(Place::Publish, alias),
            Err(PropertyError::Repeated("topic-alias"))
        );
    }

    #[test]
    fn a_property_must_not_leave_its_block() {
        // property length 3, but the content type claims 5 bytes, which the payload would supply
        let mut bytes = Bytes::from_static(&[3, 3, 0, 5, b'a', b'b', b'c', b'd', b'e']);
        assert_eq!(
            Properties::read(&mut bytes, Place::Publish),
            Err(PropertyError::Cut)
        );
    }
}
