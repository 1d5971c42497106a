//! From sections of the configuration to the policies that services take.

use std::collections::BTreeMap;

use super::Error;
use crate::access::{self, Chosen, Pack, RoleBook, SeatLimits};
use crate::config;
use crate::credential::{Cost, PasswordPolicy, Rules, Unmet};
use crate::directory::{Connection, Connections, Directory, Realms};
use crate::error::Chain;
use crate::limit::{Allowance, LimitSettings, SpraySettings};
use crate::lockout::{BindBudget, Policy};
use crate::model::{RoleId, SourceId};

pub(super) fn pack(policy: &config::Policy) -> Result<Pack, access::Error> {
    let mut options = BTreeMap::new();
    for option in &policy.options {
        let chosen = Chosen { value: option.value.clone(), place: Some(option.position.clone()) };
        options.insert(option.name.clone(), chosen);
    }
    match &policy.pack {
        config::Pack::ClearpointStrategy => Pack::open("clearpoint-strategy", &options),
        config::Pack::ClearpointSystems => Pack::open("clearpoint-systems", &options),
        config::Pack::Clearvantage => Pack::open("clearvantage", &options),
        config::Pack::File(path) => Pack::open(&path.to_string_lossy(), &options),
    }
}

/// The problems of a pack, each where it is to be mended: an option of the configuration, or the pack.
pub(super) fn pack_problems(policy: &config::Policy, error: &access::Error) -> Vec<(String, String)> {
    let access::Error::Pack { pack, problems } = error else {
        return vec![("policy.pack".to_owned(), Chain(error).to_string())];
    };
    let place = |problem: &String| {
        let of_option = |option: &&config::PackOption| problem.starts_with(&format!("{}: ", option.position));
        let option = policy.options.iter().find(of_option).map(|option| option.position.clone());
        let reason = option.as_ref().and_then(|place| problem.strip_prefix(&format!("{place}: "))).map(str::to_owned);
        let of_pack =
            || ("policy.pack".to_owned(), format!("names the pack `{pack}`, which cannot be used: {problem}"));
        option.zip(reason).unwrap_or_else(of_pack)
    };
    problems.iter().map(place).collect()
}

/// The mappings that name a role which is not among these: where, and what is wrong.
pub(super) fn unknown_roles(config: &config::Config, roles: &RoleBook) -> Vec<(String, String)> {
    let known = || roles.iter().map(|entry| format!("`{}`", entry.role.id)).collect::<Vec<_>>().join(", ");
    let given = config.mappings.iter().filter_map(|mapping| Some((&mapping.position, &mapping.grant()?.role)));
    let unknown = given.filter(|(_, role)| roles.find(role).is_none());
    let tell = |(position, role): (&String, &RoleId)| {
        let reason = format!("names the role `{role}`, which the policy pack does not have; it has {}", known());
        (position.clone(), reason)
    };
    unknown.map(tell).collect()
}

/// The same access with seats counted, where the configuration says so.
pub(super) fn counting(access: access::Access, config: &config::Config, directory: &Directory) -> access::Access {
    let Some(seats) = &config.seats else { return access };
    let types = seats.types.iter().map(|(role, limit)| (role.clone(), u64::from(*limit))).collect();
    let (users, member_of) = directory.row_prefixes();
    access.with_seats(SeatLimits { total: seats.limit.map(u64::from), types }, users, member_of)
}

/// Refuses to start with what the plan does not have.
pub(super) fn check_plan(config: &config::Config) -> Result<(), Error> {
    match beyond_plan(config).into_iter().next() {
        Some((key, reason)) => Err(Error::configuration(&key, reason)),
        None => Ok(()),
    }
}

/// What is configured and the plan does not have: where, and which plan has it.
pub(super) fn beyond_plan(config: &config::Config) -> Vec<(String, String)> {
    if config.plan == config::Plan::Enterprise {
        return Vec::new();
    }
    let saml = config.saml.iter().map(|saml| format!("saml.{}", saml.id));
    let oidc = config.oidc.iter().map(|oidc| format!("oidc.{}", oidc.id));
    let reason = || "is a single sign-on, which the plan `professional` does not have; `enterprise` has".to_owned();
    saml.chain(oidc).map(|key| (key, reason())).collect()
}

/// What is wrong with tests of the policy that can be told without the store: where, and what.
pub(super) fn wrong_tests(config: &config::Config, pack: &Pack) -> Vec<(String, String)> {
    let roles = pack.roles();
    let mut problems = Vec::new();
    for test in &config.tests {
        problems.extend(access::unknown_in(test, roles).into_iter().map(|problem| (test.position.clone(), problem)));
    }
    if problems.is_empty() {
        let failing = access::run_role_tests(&config.tests, roles).into_iter().filter(|result| !result.held);
        let tell = |result: access::TestResult| {
            let reason = format!("the policy test `{}` fails: {}", result.name, result.failures.join("; "));
            (result.position, reason)
        };
        problems.extend(failing.map(tell));
    }
    problems
}

pub(super) fn cost(hashing: &config::Hashing) -> Cost {
    let memory_kib = u32::try_from(hashing.memory_bytes / 1024).unwrap_or(u32::MAX);
    Cost { memory_kib, passes: hashing.passes, lanes: hashing.lanes }
}

pub(super) fn limits(limits: &config::Limits, connections: &[config::Scim]) -> LimitSettings {
    let allowance = |quota: config::Quota| Allowance::new(quota.count.get(), quota.period, quota.count.get());
    LimitSettings {
        api: allowance(limits.api),
        page: allowance(limits.page),
        scim: allowance(limits.scim),
        connections: connections.iter().map(|scim| (scim.id.to_string(), allowance(scim.rate))).collect(),
        sign_in_address: allowance(limits.sign_in),
        sign_in_account: allowance(limits.sign_in_account),
        // A neighborhood of addresses gets four times what one of them gets, so that raising one raises both.
        sign_in_network: {
            let count = limits.sign_in.count.get().saturating_mul(4);
            Allowance::new(count, limits.sign_in.period, count)
        },
        sign_in_global: allowance(limits.sign_in_global),
        spray: SpraySettings {
            names: usize::try_from(limits.spray_names).unwrap_or(usize::MAX),
            names_of_password: usize::try_from(limits.spray_same_password).unwrap_or(usize::MAX),
            ..SpraySettings::default()
        },
    }
}

/// What provisioning connections may take over and remove.
pub(super) fn connections(connections: &[config::Scim]) -> Connections {
    let settings = |scim: &config::Scim| Connection { takes_over: scim.takes_over.clone(), brake: scim.brake };
    connections.iter().map(|scim| (scim.id.clone(), settings(scim))).collect()
}

/// In which realm each source and connector makes accounts.
pub(super) fn realms(config: &config::Config) -> Realms {
    let scim = config.scim.iter().map(|scim| (scim.id.clone(), scim.realm));
    let ldap = config.ldap.iter().map(|ldap| (ldap.id.clone(), ldap.realm));
    let saml = config.saml.iter().map(|saml| (saml.id.clone(), saml.realm));
    let oidc = config.oidc.iter().map(|oidc| (oidc.id.clone(), oidc.realm));
    scim.chain(ldap).chain(saml).chain(oidc).collect()
}

pub(super) fn lockout(lockout: &config::Lockout) -> Policy {
    let preset = match lockout.preset {
        config::LockoutPreset::Balanced => Policy::balanced(),
        // Each lock is as long as the first and ends with as many attempts as before it, whatever the numbers.
        config::LockoutPreset::Clearvantage => {
            Policy { attempts_again: lockout.attempts, longest: lockout.lasts, ..Policy::clearvantage() }
        }
        config::LockoutPreset::Pci => {
            Policy { attempts_again: lockout.attempts, longest: lockout.lasts, ..Policy::pci() }
        }
    };
    Policy {
        attempts: lockout.attempts,
        lock_for: lockout.lasts,
        longest: preset.longest.max(lockout.lasts),
        extend_on_attempt: lockout.extend_on_attempt,
        knows_devices: lockout.knows_devices,
        ..preset
    }
}

/// How many wrong passwords each directory is given of one account: fewer than lock it there, by what most allow.
pub(super) fn bind_budgets(config: &config::Config) -> BTreeMap<SourceId, BindBudget> {
    let usual = BindBudget::default().attempts.min(config.lockout.attempts);
    let budget =
        |ldap: &config::Ldap| BindBudget { attempts: ldap.bind_attempts.unwrap_or(usual), window: ldap.bind_window };
    config.ldap.iter().map(|ldap| (ldap.id.clone(), budget(ldap))).collect()
}

pub(super) fn password(password: &config::Password) -> Result<PasswordPolicy, Error> {
    let part = |class: &config::CharacterClass| match class {
        config::CharacterClass::Digit => Unmet::Digit,
        config::CharacterClass::Letter => Unmet::Letter,
        config::CharacterClass::Lower => Unmet::Lower,
        config::CharacterClass::Special => Unmet::Special,
        config::CharacterClass::Upper => Unmet::Upper,
    };
    let blocked = match &password.blocklist {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::configuration("password.blocklist", format!("cannot be read: {error}")))?;
            text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        }
    };
    let length = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
    Ok(PasswordPolicy::new(Rules {
        min_chars: length(password.min_length),
        min_chars_with_factor: length(password.min_length_with_factor),
        max_chars: length(password.max_length),
        parts: password.requires.iter().map(part).collect(),
        expires_after: password.expires,
        expires_with_factor: password.expires_with_factor,
        allows_common: !password.refuse_common,
        blocked,
    }))
}
