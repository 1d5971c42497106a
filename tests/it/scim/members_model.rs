//! PATCH of a group's members against a model: the same steps on a map of members, by the plainest reading of RFC 7644 section
//! 3.5.2 and of what clients mean where they differ, as `docs/scim.md` says it. The model shares no code with what it checks.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{Client, GROUP, NOBODY, client};

/// People, and one group behind them, who may become members.
const SOMEBODY: usize = 6;

/// In which words a step is said.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    /// With a path, as the RFC writes it.
    Standard,
    /// With a path that begins with the schema's URN.
    Long,
    /// Capitalized, and removals by a list of values.
    Entra,
    /// Without a path.
    Okta,
    /// With bare ids.
    Bare,
}

/// A step, as it is meant. People are told by number; the last is a group, the one behind it nobody.
#[derive(Clone, Debug)]
enum Wish {
    Add(Vec<(usize, Option<u8>)>),
    Clear,
    /// Of users, or of groups.
    RemoveKind(bool),
    RemoveSome(Vec<usize>),
    Rename(usize, u8),
    Replace(Vec<(usize, Option<u8>)>),
    /// Puts somebody into the place of somebody else.
    Swap(usize, (usize, Option<u8>)),
    /// Gives the group another name.
    Title(u8),
}

/// A group as the model has it.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    title: String,
    /// Who is in, and what they are shown as, where that is said.
    members: BTreeMap<usize, Option<String>>,
}

struct Refused;

fn shown(number: u8) -> String {
    format!("shown {number}")
}

impl Model {
    fn add(&mut self, members: &[(usize, Option<u8>)]) {
        for (who, display) in members.iter().filter(|(who, _)| *who <= SOMEBODY) {
            let known = self.members.entry(*who).or_default();
            if let Some(display) = display {
                *known = Some(shown(*display));
            }
        }
    }

    fn perform(&mut self, wish: &Wish, dialect: Dialect, title: &str) -> Result<(), Refused> {
        match wish {
            Wish::Add(members) => self.add(members),
            Wish::Clear => self.members.clear(),
            Wish::RemoveKind(users) => self.members.retain(|who, _| (*who < SOMEBODY) != *users),
            Wish::RemoveSome(who) => who.iter().for_each(|who| drop(self.members.remove(who))),
            Wish::Rename(who, display) => {
                *self.members.get_mut(who).ok_or(Refused)? = Some(shown(*display));
            }
            Wish::Replace(members) => {
                self.members.clear();
                self.add(members);
            }
            Wish::Swap(gone, added) => {
                let was_there = self.members.remove(gone).is_some();
                if !was_there && !matches!(dialect, Dialect::Entra) {
                    return Err(Refused);
                }
                self.add(&[*added]);
            }
            Wish::Title(number) => self.title = format!("{title} {number}"),
        }
        Ok(())
    }
}

fn written(wish: &Wish, dialect: Dialect, ids: &[String], title: &str) -> Value {
    let verb = |plain: &str, capital: &str| {
        if matches!(dialect, Dialect::Entra) { capital.to_owned() } else { plain.to_owned() }
    };
    let (add, remove, replace) = (verb("add", "Add"), verb("remove", "Remove"), verb("replace", "Replace"));
    let path = |rest: &str| match dialect {
        Dialect::Long => format!("{GROUP}:members{rest}"),
        _ => format!("members{rest}"),
    };
    let value = |(who, display): &(usize, Option<u8>)| match (display, dialect) {
        (None, Dialect::Bare) => json!(ids[*who]),
        (None, Dialect::Entra) => json!({"$ref": null, "value": ids[*who]}),
        (None, _) => json!({"value": ids[*who]}),
        (Some(display), _) => json!({"value": ids[*who], "display": shown(*display)}),
    };
    let list = |members: &[(usize, Option<u8>)]| members.iter().map(value).collect::<Value>();
    let among = |op: &str, members: &[(usize, Option<u8>)]| match dialect {
        Dialect::Okta => json!({"op": op, "value": {"members": list(members)}}),
        _ => json!({"op": op, "path": path(""), "value": list(members)}),
    };
    match wish {
        Wish::Add(members) => among(&add, members),
        Wish::Clear => json!({"op": remove, "path": path("")}),
        Wish::RemoveKind(users) => {
            let kind = if *users { "User" } else { "Group" };
            json!({"op": remove, "path": path(&format!("[type eq \"{kind}\"]"))})
        }
        Wish::RemoveSome(who) if matches!(dialect, Dialect::Entra) => {
            let values = who.iter().map(|who| json!({"value": ids[*who]})).collect::<Value>();
            json!({"op": remove, "path": path(""), "value": values})
        }
        Wish::RemoveSome(who) => {
            let terms: Vec<String> = who.iter().map(|who| format!("value eq \"{}\"", ids[*who])).collect();
            json!({"op": remove, "path": path(&format!("[{}]", terms.join(" or ")))})
        }
        Wish::Rename(who, display) => {
            let path = path(&format!("[value eq \"{}\"].display", ids[*who]));
            json!({"op": replace, "path": path, "value": shown(*display)})
        }
        Wish::Replace(members) => among(&replace, members),
        Wish::Swap(gone, added) => {
            let path = path(&format!("[value eq \"{}\"]", ids[*gone]));
            json!({"op": replace, "path": path, "value": value(added)})
        }
        Wish::Title(number) => match dialect {
            Dialect::Okta => json!({"op": replace, "value": {"displayName": format!("{title} {number}")}}),
            _ => json!({"op": replace, "path": "displayName", "value": format!("{title} {number}")}),
        },
    }
}

fn wish() -> impl Strategy<Value = (Wish, Dialect)> {
    let who = || 0..=SOMEBODY + 1;
    let member = || (who(), proptest::option::of(0u8..3));
    let members = || proptest::collection::vec(member(), 0..4);
    let dialect = prop_oneof![
        Just(Dialect::Standard),
        Just(Dialect::Long),
        Just(Dialect::Entra),
        Just(Dialect::Okta),
        Just(Dialect::Bare)
    ];
    let wish = prop_oneof![
        5 => members().prop_map(Wish::Add),
        1 => Just(Wish::Clear),
        1 => any::<bool>().prop_map(Wish::RemoveKind),
        4 => proptest::collection::vec(who(), 1..4).prop_map(Wish::RemoveSome),
        2 => (0..=SOMEBODY, 0u8..3).prop_map(|(who, display)| Wish::Rename(who, display)),
        2 => members().prop_map(Wish::Replace),
        2 => (0..=SOMEBODY, member()).prop_map(|(gone, added)| Wish::Swap(gone, added)),
        1 => (0u8..3).prop_map(Wish::Title),
    ];
    (wish, dialect)
}

/// The group as a client sees it.
fn seen(group: &Value, ids: &[String]) -> Model {
    let number = |id: &Value| ids.iter().position(|known| id == known).unwrap();
    let members = group["members"].as_array().into_iter().flatten();
    let members = members.map(|member| (number(&member["value"]), member["display"].as_str().map(str::to_owned)));
    Model { title: group["displayName"].as_str().unwrap().to_owned(), members: members.collect() }
}

/// What nobody said anything about may be shown as anything.
fn agrees(seen: &Model, expected: &Model) -> bool {
    let said = |(who, display): (&usize, &Option<String>)| display.is_none() || seen.members[who] == *display;
    seen.title == expected.title && seen.members.keys().eq(expected.members.keys()) && expected.members.iter().all(said)
}

async fn check(
    client: &Client,
    ids: &[String],
    title: &str,
    before: &[(usize, Option<u8>)],
    requests: &[Vec<(Wish, Dialect)>],
) -> Result<(), TestCaseError> {
    let mut model = Model { title: title.to_owned(), members: BTreeMap::new() };
    model.add(before);
    let members: Vec<Value> =
        before.iter().map(|(who, display)| json!({"value": ids[*who], "display": display.map(shown)})).collect();
    let body = json!({"schemas": [GROUP], "displayName": title, "members": members});
    let group = client.post("/Groups", &body).await.expect(201).id();
    let path = format!("/Groups/{group}");
    for request in requests {
        let operations: Vec<Value> =
            request.iter().map(|(wish, dialect)| written(wish, *dialect, ids, title)).collect();
        let mut after = model.clone();
        let is_done = request.iter().all(|(wish, dialect)| after.perform(wish, *dialect, title).is_ok());
        let answer = client.patch(&path, json!(operations)).await;
        // All of it or nothing.
        let expected = if is_done { &after } else { &model };
        prop_assert_eq!(is_done, answer.status < 300, "{} of {:?}", answer.body, &operations);
        let now = seen(&client.get(&path).await.expect(200).body, ids);
        prop_assert!(agrees(&now, expected), "{:?} after {:?} instead of {:?}", now, &operations, expected);
        if answer.status == 200 {
            prop_assert_eq!(&seen(&answer.body, ids), &now, "the answer to {:?}", &operations);
        } else if !is_done {
            prop_assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("noTarget")));
        }
        // The rows that lead the other way.
        for (who, id) in ids.iter().enumerate().take(SOMEBODY) {
            let user = client.get(&format!("/Users/{id}")).await.expect(200);
            let groups = user.body["groups"].as_array().cloned().unwrap_or_default();
            let is_in = groups.iter().any(|of| of["value"] == group.as_str());
            prop_assert_eq!(is_in, now.members.contains_key(&who), "{} after {:?}", who, &operations);
        }
        // The next request begins with what is there, whatever nobody had said.
        model = now;
    }
    client.delete(&path).await.expect(204);
    Ok(())
}

#[test]
fn members_change_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, ids) = runtime.block_on(async {
        let client = client().await;
        let mut ids = Vec::new();
        for number in 0..SOMEBODY {
            ids.push(client.user(&format!("user{number}")).await);
        }
        ids.push(client.group("nested", &[&ids[0]]).await);
        ids.push(NOBODY.to_owned());
        (client, ids)
    });
    // Named twice by one step, of which one says what to show.
    let twice = [vec![(Wish::Add(vec![(3, Some(0)), (3, None)]), Dialect::Standard)]];
    runtime.block_on(check(&client, &ids, "twice", &[], &twice)).unwrap();
    let before = proptest::collection::vec((0..=SOMEBODY, (0u8..3).prop_map(Some)), 0..6);
    let requests = proptest::collection::vec(proptest::collection::vec(wish(), 1..5), 1..4);
    let count = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(before, requests), |(before, requests)| {
        count.set(count.get() + 1);
        let title = format!("group {}", count.get());
        runtime.block_on(check(&client, &ids, &title, &before, &requests))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
