//! What servers of one cluster ask one another, beneath consensus' opaque `ask`: the messages of
//! `proto/tidegate/peer/v1/ask.proto`, under the names that this crate uses.

pub use tidegate_proto::peer::v1::{
    Answer, Change, DigestAnswer, DigestQuestion, Evidence, ProgressQuestion, Question, Refused, RowsAnswer, RowsQuestion,
    Sighting, TakenIn, Write, answer, change, question,
};
