//! First words to somebody whose alias one knows.

use serde_json::json;

use super::{Model, NodeNo, Outcome, UserNo};
use crate::sim::ask::Part;

impl Model {
    pub(super) fn ping(&mut self, user: UserNo, node: NodeNo, from: Option<&str>, to: &str, text: &Part) -> Outcome {
        let whom = self.owner(to)?;
        let mut header = json!({ "op": "ping", "to": to });
        if let Some(from) = from {
            if self.owner(from)? != user {
                return Err("from must identify sender");
            }
            header["alias"] = json!(from);
        }
        Ok(Some(self.post(user, header, text, &(&self.nodes_of(whom) | &self.others(node)))))
    }
}
