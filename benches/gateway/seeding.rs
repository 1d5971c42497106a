//! Many people at once, put into the store before the daemon starts: by the services themselves, as a sync does it.

use cleargate::config::{self, Credentials};
use cleargate::directory::{GroupDraft, Member, SourceRecord, parse_user_name};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::model::{Attributes, UserId};
use serde_json::{Value, json};

use super::support::daemon::Daemon;

/// People of one commit.
const BATCH: usize = 500;
/// Members of one commit.
const MEMBERS: usize = 10_000;

/// People of the connection `bench`, with a group of all of them: ids and names, and the group's id.
pub async fn seed(daemon: &Daemon, people: usize) -> (Vec<(String, String)>, String) {
    let config = config::load(&daemon.config(), &Credentials::None).unwrap();
    let gateway = Gateway::open(config, Foundation::system()).await.unwrap();
    let permit = gateway.access().task_permit("bench", Some("bench".parse().unwrap()));
    let directory = gateway.directory();
    let (mut made, mut ids): (Vec<(String, String)>, Vec<UserId>) = (Vec::new(), Vec::new());
    for start in (0..people).step_by(BATCH) {
        let records: Vec<_> = (start..people.min(start + BATCH)).map(|number| (None, person(number))).collect();
        for user in directory.apply_users(&permit, &records).await.unwrap() {
            made.push((user.id.to_string(), user.user_name.to_string()));
            ids.push(user.id);
        }
    }
    let draft = GroupDraft {
        name: "large".parse().unwrap(),
        external_id: None,
        attributes: Attributes::default(),
        members: Default::default(),
    };
    let group = directory.create_group(&permit, &draft).await.unwrap();
    for ids in ids.chunks(MEMBERS) {
        let add = |_: &_, draft: &mut GroupDraft| {
            ids.iter().for_each(|id| draft.members.add(Member::User(*id)));
            Ok::<(), cleargate::directory::Error>(())
        };
        directory.change_group(&permit, group.id, None, add).await.unwrap();
    }
    (made, group.id.to_string())
}

fn person(number: usize) -> SourceRecord {
    let name = format!("seed-{number}@example.org");
    let Value::Object(attributes) = json!({
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
        "displayName": "Ada Lovelace",
        "title": "Engineer",
        "emails": [{"value": name, "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+49 30 1234567", "type": "work"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            {"department": "Engineering", "employeeNumber": "701984"},
    }) else {
        unreachable!()
    };
    SourceRecord {
        external_id: Some(name.clone()),
        user_name: parse_user_name(&name).unwrap(),
        active: Some(true),
        attributes: Attributes(attributes),
    }
}
