//! Who decides by hand, what each may do in which shop, and why a manual decision is not taken.

use std::fmt;
use std::net::IpAddr;

use super::ids::ShopName;
use super::interlocks::Name;

/// What a person or a program may do in a shop. What a role does not name is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Only sees.
    Viewer,
    /// Also accepts, holds and releases.
    Operator,
    /// Also cancels, pauses, pushes stock levels and edits stock.
    Admin,
    /// Pushes stock levels, and does and sees nothing else.
    Stock,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Stock];

    /// As it is written and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Stock => "stock",
        }
    }

    /// From its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether it allows this.
    pub const fn may(self, verb: Verb) -> bool {
        match verb {
            Verb::View => matches!(self, Self::Viewer | Self::Operator | Self::Admin),
            Verb::Accept | Verb::Hold | Verb::Release => {
                matches!(self, Self::Operator | Self::Admin)
            }
            Verb::Cancel | Verb::Pause | Verb::EditStock => matches!(self, Self::Admin),
            Verb::PushStock => matches!(self, Self::Admin | Self::Stock),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is done by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// See orders, stock and sums.
    View,
    /// Accept an order.
    Accept,
    /// Cancel an order.
    Cancel,
    /// Hold an order.
    Hold,
    /// End a hold.
    Release,
    /// Stop and resume a shop.
    Pause,
    /// Replace the levels of a source.
    PushStock,
    /// Set levels by hand, map SKUs, confirm falls to zero.
    EditStock,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Accept,
        Self::Cancel,
        Self::Hold,
        Self::Release,
        Self::Pause,
        Self::PushStock,
        Self::EditStock,
    ];

    /// In words, after "may not".
    pub const fn words(self) -> &'static str {
        match self {
            Self::View => "see orders and stock",
            Self::Accept => "accept orders",
            Self::Cancel => "cancel orders",
            Self::Hold => "hold orders",
            Self::Release => "release orders",
            Self::Pause => "pause and resume",
            Self::PushStock => "push stock levels",
            Self::EditStock => "edit stock",
        }
    }

    /// The roles that allow it, in words.
    fn roles(self) -> String {
        let roles = Role::ALL.into_iter().filter(|role| role.may(self));
        let roles: Vec<&str> = roles.map(Role::as_str).collect();
        roles.join(" or ")
    }
}

/// Most characters of a user's or a program's name.
const NAME_CHARS_MAX: usize = 64;

/// A name that can be written in a table and a log: letters and digits of any language, blanks, `-`, `_`, `.` and `@`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn checked_name(text: &str) -> Result<&str, String> {
    let name = text.trim();
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '@');
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(is_allowed) {
        return Err(format!(
            "a name has 1 to {NAME_CHARS_MAX} letters, digits, blanks, or - _ . @"
        ));
    }
    Ok(name)
}

/// A role in one shop, or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `None`: every shop that no other grant names.
    pub shop: Option<ShopName>,
    /// What is allowed there.
    pub role: Role,
}

/// The roles of a person or a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants(pub Vec<Grant>);

impl Grants {
    /// The same role in every shop.
    pub fn everywhere(role: Role) -> Self {
        Self(vec![Grant { shop: None, role }])
    }

    /// One role in these shops; in every shop where none is named.
    pub fn of(role: Role, shops: &[ShopName]) -> Self {
        if shops.is_empty() {
            return Self::everywhere(role);
        }
        let grant = |shop: &ShopName| Grant {
            shop: Some(shop.clone()),
            role,
        };
        Self(shops.iter().map(grant).collect())
    }

    /// The role in a shop: the one that names it, else the one for all.
    pub fn role_at(&self, shop: &ShopName) -> Option<Role> {
        let named = |grant: &&Grant| grant.shop.as_ref() == Some(shop);
        let all = |grant: &&Grant| grant.shop.is_none();
        let grants = &self.0;
        let found = grants
            .iter()
            .find(named)
            .or_else(|| grants.iter().find(all));
        found.map(|grant| grant.role)
    }

    /// In words, such as `operator in main, viewer in second`.
    pub fn words(&self) -> String {
        let words = self.0.iter().map(|grant| match &grant.shop {
            Some(shop) => format!("{} in {shop}", grant.role),
            None => format!("{} in every shop", grant.role),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// By which door somebody came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The command line, as the user of the operating system.
    CommandLine,
    /// The HTTP API.
    Api {
        /// The id of the token.
        token: String,
        /// The address the request came from.
        peer: IpAddr,
    },
    /// Telegram.
    Telegram {
        /// The row of the user.
        user: i64,
        /// The number of their account.
        number: i64,
    },
    /// The web app.
    Web {
        /// The row of the user.
        user: i64,
        /// The number of the session.
        session: i64,
        /// The address the request came from.
        peer: IpAddr,
    },
}

/// Who does something by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// As the audit log names them. Never `qabyl`, which is the program itself.
    name: String,
    /// Whom limits and keys count as, whatever name they give.
    person: String,
    channel: Channel,
    grants: Grants,
}

impl Actor {
    /// Somebody at the command line of this machine, who may do everything: whoever can run it can write the database.
    pub fn command_line(name: &str, operator: &str) -> Self {
        Self {
            name: name.to_owned(),
            person: format!("system:{operator}"),
            channel: Channel::CommandLine,
            grants: Grants::everywhere(Role::Admin),
        }
    }

    /// A program with a token of this name and id.
    pub fn token(name: &str, id: &str, grants: Grants, peer: IpAddr) -> Self {
        Self {
            name: format!("token:{name}"),
            person: format!("token:{name}"),
            channel: Channel::Api {
                token: id.to_owned(),
                peer,
            },
            grants,
        }
    }

    /// A user of this row and name, who came from their Telegram account.
    pub fn telegram((id, name): (i64, &str), number: i64, grants: Grants) -> Self {
        Self {
            name: format!("user:{name}"),
            person: format!("user:{id}"),
            channel: Channel::Telegram { user: id, number },
            grants,
        }
    }

    /// A user of this row and name who is signed in.
    pub fn user((id, name): (i64, &str), session: i64, grants: Grants, peer: IpAddr) -> Self {
        Self {
            name: format!("user:{name}"),
            person: format!("user:{id}"),
            channel: Channel::Web {
                user: id,
                session,
                peer,
            },
            grants,
        }
    }

    /// As the audit log names them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom limits and keys count as.
    pub fn person(&self) -> &str {
        &self.person
    }

    /// Whether they are this user.
    pub const fn is_user(&self, id: i64) -> bool {
        matches!(
            self.channel,
            Channel::Web { user, .. } | Channel::Telegram { user, .. } if user == id
        )
    }

    /// How they came and as what, for the audit log; `process` is the user who runs this process.
    pub fn origin(&self, shop: Option<&ShopName>, process: &str) -> String {
        let role = match shop {
            Some(shop) => self.grants.role_at(shop).map(|role| role.to_string()),
            None => Some(self.grants.words()),
        };
        let role = role.unwrap_or_else(|| "no role".to_owned());
        match &self.channel {
            Channel::CommandLine => format!("{process}, command line, {role}"),
            Channel::Api { token, peer } => format!("api, token {token}, {role}, from {peer}"),
            Channel::Telegram { user, number } => {
                format!("telegram, user {user}, {role}, account {number}")
            }
            Channel::Web {
                user,
                session,
                peer,
            } => {
                format!("web, user {user}, session {session}, {role}, from {peer}")
            }
        }
    }

    /// Whether they may see and end what lets others in: who is admin in every shop.
    pub fn manages_people(&self) -> bool {
        let grants = &self.grants.0;
        grants.iter().all(|grant| grant.role == Role::Admin)
            && grants.iter().any(|grant| grant.shop.is_none())
    }

    /// Refuses what only they may do.
    ///
    /// # Errors
    /// They are not admin in every shop.
    pub fn check_manages_people(&self) -> Result<(), Refusal> {
        if self.manages_people() {
            return Ok(());
        }
        Err(Refusal::NotAllowed(format!(
            "{} may not end sessions and tokens of others: that needs the role admin in every shop",
            self.name
        )))
    }

    /// Their role in a shop.
    pub fn role_at(&self, shop: &ShopName) -> Option<Role> {
        self.grants.role_at(shop)
    }

    /// Whether they may do this in a shop.
    pub fn may(&self, verb: Verb, shop: &ShopName) -> bool {
        self.role_at(shop).is_some_and(|role| role.may(verb))
    }

    /// Refuses what they may not do in a shop.
    ///
    /// # Errors
    /// Their role does not allow it, or they have none there.
    pub fn check(&self, verb: Verb, shop: &ShopName) -> Result<(), Refusal> {
        let Some(role) = self.role_at(shop) else {
            return Err(Refusal::NotAllowed(format!(
                "{} has no role in shop {shop}",
                self.name
            )));
        };
        if role.may(verb) {
            return Ok(());
        }
        Err(Refusal::NotAllowed(format!(
            "{} is {role} in shop {shop} and may not {}: that needs the role {}",
            self.name,
            verb.words(),
            verb.roles()
        )))
    }
}

/// Why a manual decision is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Their role does not allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// Nothing is sent for the shop.
    #[error("{0}")]
    SendsNothing(String),
    /// The order is no longer the one they saw.
    #[error("{0}")]
    Changed(String),
    /// Interlocks object that were not named.
    #[error("interlocks object that --override does not name: {}", listed(.0))]
    Objected(Vec<(Name, String)>),
    /// The key was used for another request.
    #[error("this key was used for another request: use a new one for each decision")]
    KeyUsed,
    /// They cancelled too many orders within an hour.
    #[error(
        "{person} has cancelled {max} orders within an hour, the most that one person may \
         (`interlocks.cancels_per_person_max`): wait, or cancel in the cabinet"
    )]
    TooManyCancels {
        /// Who.
        person: String,
        /// The limit.
        max: u64,
    },
}

fn listed(objections: &[(Name, String)]) -> String {
    let listed = objections
        .iter()
        .map(|(name, why)| format!("{}: {why}", name.as_str()));
    listed.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Actor, Grant, Grants, Role, Verb};
    use crate::domain::ids::ShopName;

    fn shop(name: &str) -> ShopName {
        ShopName::new(name).unwrap()
    }

    #[test]
    fn each_role_allows_what_is_listed_and_nothing_else() {
        use Verb::{Accept, Cancel, EditStock, Hold, Pause, PushStock, Release, View};
        let allowed = |role: Role| -> Vec<Verb> {
            let all = Verb::ALL.into_iter();
            all.filter(|verb| role.may(*verb)).collect()
        };
        assert_eq!(allowed(Role::Viewer), [View]);
        assert_eq!(allowed(Role::Operator), [View, Accept, Hold, Release]);
        assert_eq!(
            allowed(Role::Admin),
            [
                View, Accept, Cancel, Hold, Release, Pause, PushStock, EditStock
            ]
        );
        assert_eq!(allowed(Role::Stock), [PushStock]);
    }

    #[test]
    fn a_grant_that_names_the_shop_goes_before_the_one_for_all_and_none_is_no_role() {
        let narrow = Grant {
            shop: Some(shop("main")),
            role: Role::Viewer,
        };
        let mut grants = Grants::everywhere(Role::Admin);
        grants.0.push(narrow.clone());
        assert_eq!(grants.role_at(&shop("main")), Some(Role::Viewer));
        assert_eq!(grants.role_at(&shop("second")), Some(Role::Admin));
        assert_eq!(Grants(vec![narrow]).role_at(&shop("second")), None);
        assert_eq!(Grants::default().role_at(&shop("main")), None);
    }

    #[test]
    fn a_name_that_somebody_gives_does_not_change_whom_they_count_as() {
        let one = Actor::command_line("person:Aigul", "uid 1000");
        let other = Actor::command_line("person:Berik", "uid 1000");
        assert_eq!(one.person(), other.person());
        let origin = one.origin(Some(&shop("main")), "uid 1000");
        assert_eq!(origin, "uid 1000, command line, admin");
    }
}
