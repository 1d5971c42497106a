//! The shapes that answers share.

use serde_json::{Value, json};

use crate::http::openapi::shape;

/// An attempt to sign in by a provider.
const ATTEMPT: &str = "number:count at:time outcome:text rule:text? reason:text? user:any asserted_name:text? \
     ip_address:text? reference:text duration_us:count";

/// What somebody asks for; from `user` on for who decides.
const ACCESS_REQUEST: &str = "id:id role:text scope:text? reason:text until:time? created:time expires:time \
     status:text decided:time? answer:text? user?:Brief known?:flag decided_by?:text? grant?:Grant";

/// Shapes by name. Members that an answer may have besides are not told.
pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let lines = [
        ("AccessRequest", ACCESS_REQUEST),
        ("Brief", "id:id userName:text displayName:text"),
        ("BriefOrId", "id:id userName?:text displayName?:text"),
        (
            "User",
            "id:id userName:text displayName:text? email:text? department:text? status:text active:flag source:text? \
             companies:[text] all_companies:flag created:time changed:time revision:count realm?:text signed_in?:flag sessions?:count \
             connectors?:[text] is_group?:flag",
        ),
        (
            "Group",
            "id:id name:text slug?:text? source:text? members:count? rule:text? filling?:flag companies:[text] \
             created:time changed:time revision:count",
        ),
        (
            "Grant",
            "id:id user:id? group:id? role:text scope:text? mode:text origin:text starts:time? ends:time? made?:time? \
             maker?:text?",
        ),
        (
            "Session",
            "id:id method:text connector:text address:text? user_agent:text? level:text factor_at:time? created:time \
             last_seen:time idle_until:time ends:time user?:BriefOrId current?:flag",
        ),
        ("Block", "network:text until:time why:text"),
        ("Invitation", "id:id email:text user:Brief invited_by:text created:time expires:time status:text"),
        (
            "Lock",
            "user:BriefOrId locked_until:time? failures:count factor_locked_until:time? factor_failures:count \
             device_locked_until:time? device_failures:count last:time",
        ),
        (
            "Token",
            "id:id name:text kind:text connection:text? scope:[text]? user:id? created:time created_by:text \
             expires_at:time? last_used:time? replaced_by?:id?",
        ),
        (
            "Scope",
            "id:text kind:text slug:text name:text description:text parent:text? source:text? created:time changed:time \
             revision:count",
        ),
        ("Load", "owned:count removed:count limit:count?"),
        ("Source", "id:text kind:text paused_since?:time? paused_for?:text? users?:Load groups?:Load released?:flag"),
        ("Sync", "source:text outcome:text reason?:text skipped?:[any] unresolved_members?:count"),
        (
            "KeptRequest",
            "number:count at:time request_id:text? method:text path:text status:count duration_us:count token:text \
             request:any answer:any",
        ),
        ("SignInAttempt", ATTEMPT),
        ("EventKind", "name:text class:text recorded:text note:text?"),
        (
            "Entry",
            "id:count timestamp:time user:text action:text resource:any resource_name:any ip_address:text? outcome:text \
             request_id:text? details:object organization:text",
        ),
        (
            "Member",
            "type:text id:id name?:text userName?:text displayName?:text since?:time source?:text? status?:text",
        ),
        (
            "Role",
            "id:text name:text description:text kind:text heading:text? scoped_only:flag only_beside?:[text] requires_factor:flag requires_sso:flag factor_within:text? includes:[text] \
             permissions:[text] denies:[text] if_owner:[text] badge:text? seat:any ui_profile:any created?:time \
             changed?:time created_by?:text revision?:count problem?:text",
        ),
        ("PolicyTest", "name:text as:text accept:[text] deny:[text] position:text"),
        ("TestResult", "name:text as:text position:text held:flag failures:[text]"),
        (
            "Person",
            "id:id employee_number:text first_name:text last_name:text displayName:text email:text? user:Brief? \
             companies:[text] created:time changed:time revision:count",
        ),
        ("RowProblem", "row:count field:text? detail:text"),
        (
            "HeldRole",
            "grant:id role:text scope?:text mode:text origin:text groups?:[text] starts?:time ends?:time made?:time \
             maker?:text",
        ),
        (
            "Step",
            "outcome:text grant:id role:text scope?:text mode:text origin:text groups?:[text] made?:time maker?:text rule?:text \
             includes?:[text]",
        ),
        (
            "Explanation",
            "allowed:flag permission:text scope?:text at:time decided_by:text reason:text replaced_by?:text factor_within_s?:count steps:[Step] needed?:[text] groups?:[any] \
             user?:Brief",
        ),
        ("Right", "permission:text if_owner:flag role:text includes?:[text] grant:id"),
        ("Level", "scope?:text roles:[HeldRole] permissions:[Right]"),
    ];
    let mut shapes: Vec<(&'static str, Value)> = lines.into_iter().map(|(name, line)| (name, shape(line))).collect();
    let row = shape("first_name?:text? last_name?:text? email?:text? employee?:text?");
    shapes.push(("Rows", json!({"anyOf": [{"type": "string"}, {"type": "array", "items": row}]})));
    shapes.push(("Me", me()));
    shapes
}

/// Who the caller is. Of a caller that is nobody's there is only what is required.
fn me() -> Value {
    json!({"type": "object", "required": ["user", "actor", "session"], "properties": {
        "user": {"anyOf": [{"$ref": "#/components/schemas/User"}, {"type": "null"}]},
        "actor": {"type": "string"},
        "badge": {"type": ["string", "null"]},
        "ui_profile": {"type": "object", "additionalProperties": {"type": "string"}},
        "session": {"anyOf": [{"$ref": "#/components/schemas/Session"}, {"type": "null"}]},
        "roles": {"type": "array", "items": {"type": "string"}},
        "groups": {"type": "array", "items": {"type": "string"}},
        "permissions": {"type": "array", "items": {"type": "string"}},
        "scopes": {"type": "object"},
    }})
}
