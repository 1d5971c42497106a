//! Steps about a password.

use serde_json::Value;

use super::{Step, Verb};
use crate::scim::{Error, body};
use crate::secret::Secret;

/// Takes the steps about `password` out of a user's, and tells which password they come to: the last one that is given.
/// A password that is taken away stays as it is: nobody is shown that there is one.
///
/// # Errors
/// `InvalidValue` when it is no text.
pub fn password(steps: Vec<Step<'_>>) -> Result<(Vec<Step<'_>>, Option<Secret>), Error> {
    let is_about_it = |step: &Step<'_>| step.extension.is_none() && &*step.attribute.name == "password";
    let (about_it, others): (Vec<Step<'_>>, Vec<Step<'_>>) = steps.into_iter().partition(is_about_it);
    let mut password = None;
    for step in about_it.iter().filter(|step| step.verb != Verb::Remove) {
        let value = step.value.as_ref().map(|value| body::single(step.attribute, value)).transpose()?.flatten();
        if let Some(Value::String(text)) = value {
            password = Some(Secret::new(text));
        }
    }
    Ok((others, password))
}
