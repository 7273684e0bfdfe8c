//! One device of a member: dropped, or made.

use super::{Refused, sentence};
use crate::base::UserNo;
use crate::limits::LABEL_MAX;
use crate::relay::command::Answer;
use crate::relay::cx::Cx;
use crate::relay::ops::{drop_node, shown, user_edit};

pub(super) fn drop_one(cx: &mut Cx<'_>, user: UserNo, node: &str) -> Result<Answer, Refused> {
    let Some(no) = drop_node::find(cx, user, node) else {
        return Err(format!("{} is no node of that member", shown(node)));
    };
    drop_node::drop_node(cx, user, no, None);
    Ok(Answer::Done)
}

pub(super) fn new_node(cx: &mut Cx<'_>, user: UserNo, label: &str) -> Result<Answer, Refused> {
    if label.is_empty() || label.len() > LABEL_MAX || label.contains(char::is_control) {
        return Err(format!("the label must have 1 to {LABEL_MAX} octets and no control characters"));
    }
    match user_edit::new_node(cx, user, None, label) {
        Ok((_, secret, _)) => Ok(Answer::Node { uid: cx.ledger.user(user).uid().to_string(), secret: secret.reveal() }),
        Err(stop) => Err(sentence(stop)),
    }
}
