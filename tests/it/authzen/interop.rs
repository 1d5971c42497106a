//! The tables of the interoperability events: a list of todos, routes behind a gateway, records of departments.

use serde_json::{Value, json};

use super::{Asker, Ground, person, question};

/// Who may what with todos; the last column says who owns the todo.
async fn todos() -> (Ground, Asker) {
    let ground = Ground::new().await;
    for (name, roles) in [
        ("rick@the-citadel.com", vec!["todo_admin", "evil_genius"]),
        ("morty@the-citadel.com", vec!["todo_editor"]),
        ("summer@the-smiths.com", vec!["todo_editor"]),
        ("beth@the-smiths.com", vec!["viewer"]),
        ("jerry@the-smiths.com", vec!["viewer"]),
    ] {
        ground.user(name, &roles).await;
    }
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    (ground, asker)
}

const PEOPLE: [&str; 5] = [
    "rick@the-citadel.com",
    "morty@the-citadel.com",
    "summer@the-smiths.com",
    "beth@the-smiths.com",
    "jerry@the-smiths.com",
];

fn todo(owner: &str) -> Value {
    json!({"type": "todo", "id": "7240d0db-8ff0-41ec-98b2-34a096273b91", "properties": {"owner": owner}})
}

#[tokio::test]
async fn todos_are_decided_as_the_table_says() {
    let (_ground, asker) = todos().await;
    for who in PEOPLE {
        let (rick, editor) = (who == PEOPLE[0], who == PEOPLE[1] || who == PEOPLE[2]);
        let user = json!({"type": "user", "id": PEOPLE[3]});
        assert!(asker.decides(question(who, "can_read_user", user)).await, "{who}");
        let list = json!({"type": "todo", "id": "todo-1"});
        assert!(asker.decides(question(who, "can_read_todos", list.clone())).await, "{who}");
        assert_eq!(asker.decides(question(who, "can_create_todo", list)).await, rick || editor, "{who}");
        for owner in PEOPLE {
            for action in ["can_update_todo", "can_delete_todo"] {
                let expected = rick || (editor && owner == who);
                assert_eq!(asker.decides(question(who, action, todo(owner))).await, expected, "{who} {action} {owner}");
            }
        }
    }
}

#[tokio::test]
async fn todos_are_decided_in_batches() {
    let (_ground, asker) = todos().await;
    for (who, owners, expected) in [
        (PEOPLE[0], [PEOPLE[0], PEOPLE[4]], [true, true]),
        (PEOPLE[1], [PEOPLE[0], PEOPLE[1]], [false, true]),
        (PEOPLE[4], [PEOPLE[0], PEOPLE[4]], [false, false]),
    ] {
        let asked = json!({"subject": person(who), "action": {"name": "can_update_todo"},
            "evaluations": owners.map(|owner| json!({"resource": todo(owner)}))});
        assert_eq!(asker.batch(asked).await, expected, "{who}");
    }
}

#[tokio::test]
async fn routes_of_a_gateway_are_decided_as_the_table_says() {
    let (_ground, asker) = todos().await;
    for who in PEOPLE {
        for (route, method) in [
            ("/users/{userId}", "get"),
            ("/todos", "get"),
            ("/todos", "post"),
            ("/todos/{todoId}", "put"),
            ("/todos/{todoId}", "delete"),
        ] {
            let expected = method == "get" || ![PEOPLE[3], PEOPLE[4]].contains(&who);
            let asked = question(who, method, json!({"type": "route", "id": route}));
            assert_eq!(asker.decides(asked).await, expected, "{who} {method} {route}");
        }
    }
}

/// Name, whether they manage, and department, of the search event.
const STAFF: [(&str, bool, &str); 6] = [
    ("alice", true, "sales"),
    ("bob", false, "legal"),
    ("carol", false, "legal"),
    ("dan", true, "finance"),
    ("erin", false, "finance"),
    ("felix", false, "accounting"),
];

/// Departments of the records 101 to 120; their owners take turns.
const RECORDS: [&str; 20] = [
    "legal",
    "legal",
    "legal",
    "accounting",
    "legal",
    "accounting",
    "sales",
    "legal",
    "accounting",
    "sales",
    "accounting",
    "legal",
    "sales",
    "accounting",
    "finance",
    "legal",
    "legal",
    "accounting",
    "legal",
    "accounting",
];

#[tokio::test]
async fn records_of_departments_are_found_and_decided_as_the_table_says() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    for (name, manages, department) in STAFF {
        let mut roles = vec!["employee".to_owned(), format!("colleague+department:{department}")];
        if manages {
            roles.extend(["colleague".to_owned(), format!("department_manager+department:{department}")]);
        }
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        ground.user(name, &roles).await;
    }
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    for (index, department) in RECORDS.into_iter().enumerate() {
        let owner = STAFF[index % STAFF.len()].0;
        let record = json!({"type": "record", "id": (101 + index).to_string(),
            "properties": {"scope": format!("department:{department}"), "owner": owner}});
        for action in ["view", "edit", "delete"] {
            let may = |(name, manages, own): (&str, bool, &str)| match action {
                "view" => name == owner || own == department || manages,
                "edit" => name == owner || (own == department && manages),
                _ => name == owner,
            };
            let expected: Vec<&str> = STAFF.into_iter().filter(|one| may(*one)).map(|(name, ..)| name).collect();
            let who = json!({"subject": {"type": "user"}, "action": {"name": action}, "resource": record});
            assert_eq!(asker.finds("subject", who).await, expected, "{action} {record}");
            let asked = json!({"action": {"name": action}, "resource": record,
                "evaluations": STAFF.map(|(name, ..)| json!({"subject": person(name)}))});
            assert_eq!(asker.batch(asked).await, STAFF.map(may), "{action} {record}");
        }
        for (name, manages, own) in STAFF {
            let mut expected = Vec::new();
            expected.extend((name == owner).then_some("delete"));
            expected.extend((name == owner || (own == department && manages)).then_some("edit"));
            expected.extend((name == owner || own == department || manages).then_some("view"));
            let what = json!({"subject": person(name), "resource": record});
            assert_eq!(asker.finds("action", what).await, expected, "{name} {record}");
        }
    }
}
