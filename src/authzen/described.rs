//! One line for each route of the table, for the OpenAPI document.

use serde_json::{Value, json};

use super::routes::{ACTIONS, EVALUATION, EVALUATIONS, METADATA, RESOURCES, SUBJECTS};
use crate::http::openapi::{Operation, shape};

/// Every route of the surface, described.
pub fn described() -> Vec<Operation> {
    const NEEDS: &str = "`decisions:read` in the scope, or a session that asks about itself";
    let answer = json!({"anyOf": [{"$ref": "#/components/schemas/AuthzenAnswers"},
                                  {"$ref": "#/components/schemas/AuthzenAnswer"}]});
    vec![
        Operation::get(METADATA, "Where the decision API is").public().answers(
            200,
            "policy_decision_point:text access_evaluation_endpoint:text access_evaluations_endpoint:text \
             search_subject_endpoint:text search_resource_endpoint:text search_action_endpoint:text",
        ),
        Operation::post(EVALUATION, "Whether a subject may do an action to a resource")
            .needs(NEEDS)
            .takes_schema(shape("subject:AuthzenEntity action:AuthzenAction resource:AuthzenEntity context?:object"))
            .answers(200, "AuthzenAnswer"),
        Operation::post(EVALUATIONS, "Many of these questions at once")
            .needs(NEEDS)
            .takes_schema(shape(
                "subject?:object action?:object resource?:object context?:object evaluations?:[any] options?:object",
            ))
            .answers_schema(200, answer),
        Operation::post(SUBJECTS, "Who may")
            .needs("`decisions:read` and `users:read` in the scope")
            .takes_schema(shape(
                "subject:AuthzenSought action:AuthzenAction resource:AuthzenEntity context?:object page?:AuthzenPage",
            ))
            .answers(200, "page:AuthzenNext results:[AuthzenFound]"),
        Operation::post(RESOURCES, "In which scopes a subject may")
            .needs(NEEDS)
            .takes_schema(shape(
                "subject:AuthzenEntity action:AuthzenAction resource:AuthzenSought context?:object page?:AuthzenPage",
            ))
            .answers(200, "page:AuthzenNext results:[AuthzenFound]"),
        Operation::post(ACTIONS, "What a subject may do to a resource")
            .needs(NEEDS)
            .takes_schema(shape("subject:AuthzenEntity resource:AuthzenEntity context?:object page?:AuthzenPage"))
            .answers(200, "page:AuthzenNext results:[AuthzenAction]"),
    ]
}

/// The shapes that they name.
pub fn shapes() -> Vec<(&'static str, Value)> {
    let lines = [
        ("AuthzenEntity", "type:text id:text properties?:object"),
        ("AuthzenSought", "type:text properties?:object"),
        ("AuthzenAction", "name:text properties?:object"),
        ("AuthzenPage", "token?:text limit?:count properties?:object"),
        ("AuthzenNext", "next_token:text count?:count"),
        ("AuthzenFound", "type:text id:text"),
        ("AuthzenAnswer", "decision:flag context?:object"),
        ("AuthzenAnswers", "evaluations:[AuthzenAnswer]"),
    ];
    lines.into_iter().map(|(name, line)| (name, shape(line))).collect()
}
