//! The attributes of RFC 7643: common ones (section 3.1), User (4.1), Group (4.2), EnterpriseUser (4.3).

use crate::model::schema::{Attribute, Mutability, Returned, Schema, Type, Uniqueness};

fn attribute(name: &'static str, kind: Type, description: &'static str) -> Attribute {
    Attribute::new(name, kind, description)
}

fn text(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::String, description)
}

fn flag(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::Boolean, description)
}

fn reference(name: &'static str, references: &[&'static str], description: &'static str) -> Attribute {
    let references = references.iter().map(|name| (*name).into()).collect();
    Attribute { references, ..attribute(name, Type::Reference, description) }
}

fn complex<const N: usize>(name: &'static str, subs: [Attribute; N], description: &'static str) -> Attribute {
    Attribute { subs: subs.into(), ..attribute(name, Type::Complex, description) }
}

fn list<const N: usize>(name: &'static str, subs: [Attribute; N], description: &'static str) -> Attribute {
    Attribute { multi_valued: true, ..complex(name, subs, description) }
}

fn read_only(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::ReadOnly, ..attribute }
}

fn immutable(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::Immutable, ..attribute }
}

fn exact(attribute: Attribute) -> Attribute {
    Attribute { case_exact: true, ..attribute }
}

fn of(canonical: &[&'static str], attribute: Attribute) -> Attribute {
    Attribute { canonical: canonical.iter().map(|value| (*value).into()).collect(), ..attribute }
}

fn display() -> Attribute {
    text("display", "A name to show for the value.")
}

fn kind() -> Attribute {
    text("type", "What the value is for.")
}

fn primary() -> Attribute {
    flag("primary", "Whether this is the preferred value; at most one is.")
}

/// What every resource has. Not a schema of its own: `/Schemas` does not show it.
pub fn common() -> Schema {
    let attributes = vec![
        Attribute {
            multi_valued: true,
            returned: Returned::Always,
            required: true,
            ..read_only(reference("schemas", &["uri"], "The schemas that the resource uses."))
        },
        Attribute {
            returned: Returned::Always,
            uniqueness: Uniqueness::Server,
            ..exact(read_only(text("id", "The id that this server gave.")))
        },
        exact(text("externalId", "The id that the provisioning client gave.")),
        read_only(complex(
            "meta",
            [
                exact(read_only(text("resourceType", "The resource type."))),
                read_only(attribute("created", Type::DateTime, "When it was created.")),
                read_only(attribute("lastModified", Type::DateTime, "When it was last changed.")),
                read_only(reference("location", &["uri"], "Its address.")),
                exact(read_only(text("version", "Its version, the same as its ETag."))),
            ],
            "Facts about the resource.",
        )),
    ];
    Schema::new("", "Common", "What every resource has.", attributes)
}

/// RFC 7643 section 4.1.
pub fn user() -> Schema {
    let mut attributes = vec![
        Attribute {
            required: true,
            uniqueness: Uniqueness::Server,
            ..text("userName", "The login name; no other user has it, in whatever case.")
        },
        complex(
            "name",
            [
                text("formatted", "The whole name, ready to show."),
                text("familyName", "The family name."),
                text("givenName", "The given name."),
                text("middleName", "Middle names."),
                text("honorificPrefix", "What precedes the name, such as Dr."),
                text("honorificSuffix", "What follows the name, such as III."),
            ],
            "The parts of the person's name.",
        ),
        text("displayName", "The name to show."),
        text("nickName", "The casual name."),
        reference("profileUrl", &["external"], "The address of a page about the person."),
        text("title", "The title in the organization, such as Vice President."),
        text("userType", "The relation to the organization, such as Contractor."),
        text("preferredLanguage", "The preferred languages, in the form of the HTTP header Accept-Language."),
        text("locale", "The language and region for numbers and dates, such as en-US."),
        text("timezone", "The time zone by its name in the IANA database, such as Europe/Berlin."),
        flag("active", "Whether the account may be used."),
        Attribute {
            mutability: Mutability::WriteOnly,
            returned: Returned::Never,
            ..exact(text("password", "The password in clear text, for setting it only."))
        },
    ];
    attributes.extend(user_lists());
    Schema::new("urn:ietf:params:scim:schemas:core:2.0:User", "User", "User Account", attributes)
}

fn user_lists() -> Vec<Attribute> {
    vec![
        list(
            "emails",
            [text("value", "The address."), display(), of(&["work", "home", "other"], kind()), primary()],
            "E-mail addresses.",
        ),
        list(
            "phoneNumbers",
            [
                text("value", "The number."),
                display(),
                of(&["work", "home", "mobile", "fax", "pager", "other"], kind()),
                primary(),
            ],
            "Telephone numbers.",
        ),
        list(
            "ims",
            [
                text("value", "The address."),
                display(),
                of(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"], kind()),
                primary(),
            ],
            "Addresses for instant messages.",
        ),
        list(
            "photos",
            [
                reference("value", &["external"], "The address of the picture."),
                display(),
                of(&["photo", "thumbnail"], kind()),
                primary(),
            ],
            "Pictures of the person.",
        ),
        list(
            "addresses",
            [
                text("formatted", "The whole address, ready to print."),
                text("streetAddress", "Street, house number, box."),
                text("locality", "The city."),
                text("region", "The state or region."),
                text("postalCode", "The postal code."),
                text("country", "The country, as a code of two letters."),
                of(&["work", "home", "other"], kind()),
                primary(),
            ],
            "Postal addresses.",
        ),
        Attribute {
            mutability: Mutability::ReadOnly,
            ..list(
                "groups",
                [
                    read_only(text("value", "The id of the group.")),
                    read_only(reference("$ref", &["User", "Group"], "The address of the group.")),
                    read_only(text("display", "The name of the group.")),
                    of(&["direct"], read_only(text("type", "How the user is in the group: as a member itself."))),
                ],
                "The groups that the user is a member of itself; changed through the groups.",
            )
        },
        list(
            "entitlements",
            [text("value", "What the person is entitled to."), display(), kind(), primary()],
            "Entitlements, as the client names them.",
        ),
        list("roles", [text("value", "The role."), display(), kind(), primary()], "Roles, as the client names them."),
        list(
            "x509Certificates",
            [attribute("value", Type::Binary, "The certificate, DER in base64."), display(), kind(), primary()],
            "Certificates of the person.",
        ),
    ]
}

/// RFC 7643 section 4.3.
pub fn enterprise_user() -> Schema {
    let attributes = vec![
        text("employeeNumber", "The number that the organization gave."),
        text("costCenter", "The cost center."),
        text("organization", "The organization."),
        text("division", "The division."),
        text("department", "The department."),
        complex(
            "manager",
            [
                text("value", "The id of the manager's user."),
                reference("$ref", &["User"], "The address of the manager's user."),
                read_only(text("displayName", "The manager's name to show.")),
            ],
            "The person's manager.",
        ),
    ];
    Schema::new(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "EnterpriseUser",
        "A person's place in an organization",
        attributes,
    )
}

/// RFC 7643 section 4.2.
pub fn group() -> Schema {
    let attributes = vec![
        Attribute {
            required: true,
            uniqueness: Uniqueness::Server,
            ..text("displayName", "The name to show; a client is refused one that another group has.")
        },
        list(
            "members",
            [
                immutable(text("value", "The id of the member.")),
                immutable(reference("$ref", &["User", "Group"], "The address of the member.")),
                of(&["User", "Group"], immutable(text("type", "What the member is."))),
                text("display", "A name to show for the member, as the client gave it."),
            ],
            "The members of the group.",
        ),
    ];
    Schema::new("urn:ietf:params:scim:schemas:core:2.0:Group", "Group", "A group of users and groups", attributes)
}
