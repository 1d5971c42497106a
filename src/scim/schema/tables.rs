//! The attributes of RFC 7643: common ones (section 3.1), User (4.1), Group (4.2), EnterpriseUser (4.3).

use super::{Attribute, Mutability, Returned, Schema, Type, Uniqueness};

const fn attribute(name: &'static str, kind: Type, description: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        multi_valued: false,
        description,
        required: false,
        case_exact: matches!(kind, Type::Reference | Type::Binary),
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        uniqueness: Uniqueness::None,
        canonical: &[],
        references: &[],
        subs: &[],
    }
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::String, description)
}

const fn flag(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Type::Boolean, description)
}

const fn reference(name: &'static str, references: &'static [&'static str], description: &'static str) -> Attribute {
    Attribute { references, ..attribute(name, Type::Reference, description) }
}

const fn complex(name: &'static str, subs: &'static [Attribute], description: &'static str) -> Attribute {
    Attribute { subs, ..attribute(name, Type::Complex, description) }
}

const fn list(name: &'static str, subs: &'static [Attribute], description: &'static str) -> Attribute {
    Attribute { multi_valued: true, ..complex(name, subs, description) }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::ReadOnly, ..attribute }
}

const fn immutable(attribute: Attribute) -> Attribute {
    Attribute { mutability: Mutability::Immutable, ..attribute }
}

const fn exact(attribute: Attribute) -> Attribute {
    Attribute { case_exact: true, ..attribute }
}

const fn of(canonical: &'static [&'static str], attribute: Attribute) -> Attribute {
    Attribute { canonical, ..attribute }
}

const fn display() -> Attribute {
    text("display", "A name to show for the value.")
}

const fn kind() -> Attribute {
    text("type", "What the value is for.")
}

const fn primary() -> Attribute {
    flag("primary", "Whether this is the preferred value; at most one is.")
}

/// What every resource has. Not a schema of its own: `/Schemas` does not show it.
pub static COMMON: Schema = Schema {
    id: "",
    name: "Common",
    description: "What every resource has.",
    attributes: &[
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
            &[
                exact(read_only(text("resourceType", "The resource type."))),
                read_only(attribute("created", Type::DateTime, "When it was created.")),
                read_only(attribute("lastModified", Type::DateTime, "When it was last changed.")),
                read_only(reference("location", &["uri"], "Its address.")),
                exact(read_only(text("version", "Its version, the same as its ETag."))),
            ],
            "Facts about the resource.",
        )),
    ],
};

/// RFC 7643 section 4.1.
pub static USER: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "User Account",
    attributes: &[
        Attribute {
            required: true,
            uniqueness: Uniqueness::Server,
            ..text("userName", "The login name; no other user has it, in whatever case.")
        },
        complex(
            "name",
            &[
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
        list(
            "emails",
            &[text("value", "The address."), display(), of(&["work", "home", "other"], kind()), primary()],
            "E-mail addresses.",
        ),
        list(
            "phoneNumbers",
            &[
                text("value", "The number."),
                display(),
                of(&["work", "home", "mobile", "fax", "pager", "other"], kind()),
                primary(),
            ],
            "Telephone numbers.",
        ),
        list(
            "ims",
            &[
                text("value", "The address."),
                display(),
                of(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"], kind()),
                primary(),
            ],
            "Addresses for instant messages.",
        ),
        list(
            "photos",
            &[
                reference("value", &["external"], "The address of the picture."),
                display(),
                of(&["photo", "thumbnail"], kind()),
                primary(),
            ],
            "Pictures of the person.",
        ),
        list(
            "addresses",
            &[
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
                &[
                    read_only(text("value", "The id of the group.")),
                    read_only(reference("$ref", &["User", "Group"], "The address of the group.")),
                    read_only(text("display", "The name of the group.")),
                    of(&["direct", "indirect"], read_only(text("type", "How the user is in the group."))),
                ],
                "The groups that the user is in; changed through the groups.",
            )
        },
        list(
            "entitlements",
            &[text("value", "What the person is entitled to."), display(), kind(), primary()],
            "Entitlements, as the client names them.",
        ),
        list("roles", &[text("value", "The role."), display(), kind(), primary()], "Roles, as the client names them."),
        list(
            "x509Certificates",
            &[attribute("value", Type::Binary, "The certificate, DER in base64."), display(), kind(), primary()],
            "Certificates of the person.",
        ),
    ],
};

/// RFC 7643 section 4.3.
pub static ENTERPRISE_USER: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "A person's place in an organization",
    attributes: &[
        text("employeeNumber", "The number that the organization gave."),
        text("costCenter", "The cost center."),
        text("organization", "The organization."),
        text("division", "The division."),
        text("department", "The department."),
        complex(
            "manager",
            &[
                text("value", "The id of the manager's user."),
                reference("$ref", &["User"], "The address of the manager's user."),
                read_only(text("displayName", "The manager's name to show.")),
            ],
            "The person's manager.",
        ),
    ],
};

/// RFC 7643 section 4.2.
pub static GROUP: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "A group of users and groups",
    attributes: &[
        Attribute { required: true, ..text("displayName", "The name to show; one connection uses it once.") },
        list(
            "members",
            &[
                immutable(text("value", "The id of the member.")),
                immutable(reference("$ref", &["User", "Group"], "The address of the member.")),
                of(&["User", "Group"], immutable(text("type", "What the member is."))),
            ],
            "The members of the group.",
        ),
    ],
};
