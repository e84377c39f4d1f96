//! The fields of one JSON object on a simd-json tape, found in one pass.

use simd_json::{Node, StaticNode};

use super::DecodeError;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal $bytes:literal,)*) => {
        /// A field that some message has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $($(#[$doc])* $field,)*
        }

        impl Field {
            const NAMES: &'static [&'static str] = &[$($name),*];

            #[inline]
            pub(super) fn from_name(name: &[u8]) -> Option<Field> {
                // Bytes, because a match of texts is a chain of calls, a match of bytes is a tree.
                match name {
                    $($bytes => Some(Field::$field),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    /// Event kind.
    Kind = "e" b"e",
    Symbol = "s" b"s",
    FirstId = "U" b"U",
    /// Final update id of a depth update; update id of a quote.
    LastId = "u" b"u",
    PreviousId = "pu" b"pu",
    /// Bid levels, or best bid price.
    Bid = "b" b"b",
    BidQuantity = "B" b"B",
    /// Ask levels, best ask price, or id of an aggregate trade.
    Ask = "a" b"a",
    AskQuantity = "A" b"A",
    Price = "p" b"p",
    Quantity = "q" b"q",
    TradeId = "t" b"t",
    BuyerIsMaker = "m" b"m",
    /// Futures: where a trade comes from.
    Origin = "X" b"X",
    SnapshotId = "lastUpdateId" b"lastUpdateId",
    Bids = "bids" b"bids",
    Asks = "asks" b"asks",
    Stream = "stream" b"stream",
    Data = "data" b"data",
    Event = "event" b"event",
    Result = "result" b"result",
    Error = "error" b"error",
    Code = "code" b"code",
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        Field::NAMES[self as usize]
    }
}

const FIELD_COUNT: usize = Field::NAMES.len();

/// Where on the tape the fields of an object are.
#[derive(Debug)]
pub(super) struct Fields<'tape, 'input> {
    nodes: &'tape [Node<'input>],
    /// Index of the value; 0, which is always the root, for fields that are not there.
    at: [u32; FIELD_COUNT],
}

/// Nodes that a value takes.
#[inline]
const fn node_count(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => 1 + *count,
        Node::String(_) | Node::Static(_) => 1,
    }
}

impl<'tape, 'input> Fields<'tape, 'input> {
    /// Fields of the object at `index`; fields without a [`Field`] are skipped whole.
    #[inline]
    pub(super) fn find(
        nodes: &'tape [Node<'input>],
        index: usize,
    ) -> Result<Fields<'tape, 'input>, DecodeError> {
        let Some(Node::Object { len, .. }) = nodes.get(index) else {
            return Err(DecodeError::NotAnObject);
        };
        let mut at = [0; FIELD_COUNT];
        let mut key_index = index + 1;
        for _ in 0..*len {
            let (Some(Node::String(key)), Some(value)) =
                (nodes.get(key_index), nodes.get(key_index + 1))
            else {
                return Err(DecodeError::NotAnObject);
            };
            if let Some(field) = Field::from_name(key.as_bytes()) {
                let place = &mut at[field as usize];
                if *place != 0 {
                    return Err(DecodeError::FieldTwice { field: field.name() });
                }
                *place = u32::try_from(key_index + 1).expect("a frame is shorter than 4 GiB");
            }
            key_index += 1 + node_count(value);
        }
        Ok(Fields { nodes, at })
    }

    #[inline]
    pub(super) fn has(&self, field: Field) -> bool {
        self.at[field as usize] != 0
    }

    /// Tape index of the value of a field.
    #[inline]
    pub(super) fn index(&self, field: Field) -> Result<usize, DecodeError> {
        match self.at[field as usize] {
            0 => Err(DecodeError::FieldMissing { field: field.name() }),
            index => Ok(index as usize),
        }
    }

    #[inline]
    fn node(&self, field: Field) -> Result<&'tape Node<'input>, DecodeError> {
        Ok(&self.nodes[self.index(field)?])
    }

    /// The fields of the object in a field.
    pub(super) fn inner(&self, field: Field) -> Result<Fields<'tape, 'input>, DecodeError> {
        let index = self.index(field)?;
        if !matches!(self.nodes[index], Node::Object { .. }) {
            return Err(DecodeError::FieldType { field: field.name(), must: "an object" });
        }
        Fields::find(self.nodes, index)
    }

    #[inline]
    pub(super) fn text(&self, field: Field) -> Result<&'input str, DecodeError> {
        match self.node(field)? {
            Node::String(text) => Ok(*text),
            Node::Object { .. } | Node::Array { .. } | Node::Static(_) => {
                Err(DecodeError::FieldType { field: field.name(), must: "a text" })
            }
        }
    }

    #[inline]
    pub(super) fn truth(&self, field: Field) -> Result<bool, DecodeError> {
        match self.node(field)? {
            Node::Static(StaticNode::Bool(truth)) => Ok(*truth),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } | Node::Static(_) => {
                Err(DecodeError::FieldType { field: field.name(), must: "true or false" })
            }
        }
    }

    /// A whole number within `i64`.
    #[inline]
    pub(super) fn number(&self, field: Field) -> Result<i64, DecodeError> {
        let range = DecodeError::Range { field: field.name(), must: "within 64 bits" };
        match self.node(field)? {
            Node::Static(StaticNode::I64(number)) => Ok(*number),
            Node::Static(StaticNode::U64(number)) => i64::try_from(*number).map_err(|_| range),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } | Node::Static(_) => {
                Err(DecodeError::FieldType { field: field.name(), must: "a whole number" })
            }
        }
    }

    /// A whole number, zero or above.
    #[inline]
    pub(super) fn id(&self, field: Field) -> Result<i64, DecodeError> {
        match self.number(field)? {
            id if 0 <= id => Ok(id),
            _ => Err(DecodeError::Range { field: field.name(), must: "zero or above" }),
        }
    }

    /// How many levels the list in a field has.
    #[inline]
    pub(super) fn level_count(&self, field: Field) -> Result<usize, DecodeError> {
        match self.node(field)? {
            Node::Array { len, .. } => Ok(*len),
            Node::String(_) | Node::Object { .. } | Node::Static(_) => {
                Err(DecodeError::FieldType { field: field.name(), must: "a list" })
            }
        }
    }

    /// Price and quantity text of every level in a field.
    #[inline]
    pub(super) fn levels(
        &self,
        field: Field,
    ) -> Result<impl Iterator<Item = Result<(&'input str, &'input str), DecodeError>>, DecodeError>
    {
        const LEVEL_NODE_COUNT: usize = 3;
        let index = self.index(field)?;
        let level_count = self.level_count(field)?;
        let nodes = &self.nodes[index + 1..index + node_count(&self.nodes[index])];
        let broken =
            DecodeError::FieldType { field: field.name(), must: "a list of [price, quantity]" };
        if nodes.len() != level_count * LEVEL_NODE_COUNT {
            return Err(broken);
        }
        Ok(nodes.chunks_exact(LEVEL_NODE_COUNT).map(move |chunk| match chunk {
            [Node::Array { len: 2, .. }, Node::String(price), Node::String(quantity)] => {
                Ok((*price, *quantity))
            }
            _ => Err(broken.clone()),
        }))
    }
}
