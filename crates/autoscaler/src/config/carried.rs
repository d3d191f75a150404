//! What is read and checked, and not carried out by this version: one line for each kind.

use crate::{Remark, RemarkKind};

/// One line for each thing that is read and checked and not carried out.
pub(super) fn not_carried_out(channels: usize, remarks: &mut Vec<Remark>) {
    let mut say = |text: String| {
        remarks.push(Remark {
            kind: RemarkKind::NotCarriedOut,
            code: None,
            place: None,
            text,
        });
    };
    if channels > 0 {
        say(format!(
            "notify: {} read and checked; this version sends nothing",
            counted(channels, "channel is", "channels are")
        ));
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
