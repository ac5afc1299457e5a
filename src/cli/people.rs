//! `qabyl user add|list|link|disable` and `qabyl token create|list|revoke`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::args::{Format, Shown, duration};
use super::{Done, Failure, actor, complain, open, orders, print_file, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::ShopName;
use crate::domain::people::{Actor, Grant, Grants, Role, checked_name};
use crate::ledger::{CODE_GOOD_FOR, EnrolmentCode, NewToken, Secret, UserChange};
use crate::net;
use crate::store::{Store, Token};

#[derive(Debug, clap::Subcommand)]
pub(super) enum UserCommand {
    /// Add a user, or give one another role
    Add(AddUser),
    /// List users with their roles
    List(Shown),
    /// Print a link by which a user signs in at the web app: once, within 15 minutes
    Link(LinkUser),
    /// Disable a user, end their sessions, and revoke the tokens of the same name
    Disable(DisableUser),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token for a program and print it, this once
    Create(CreateToken),
    /// List tokens with their roles, and when each was last used
    List(Shown),
    /// Revoke all tokens of a name, or the one with an id
    Revoke(RevokeToken),
}

#[derive(Debug, clap::Args)]
pub(super) struct RoleIn {
    /// viewer: sees; operator: also accepts, holds, releases; admin: everything; stock: pushes levels alone
    #[arg(long, value_parser = role)]
    role: Role,
    /// Only in this shop; may be given several times [default: in every shop]
    #[arg(long = "shop", value_name = "SHOP")]
    shops: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct AddUser {
    /// Their name
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    role: RoleIn,
    /// Their number at Telegram, by which the bot will know them
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    telegram: Option<i64>,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
pub(super) struct LinkUser {
    /// Their name
    name: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DisableUser {
    /// Their name
    name: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateToken {
    /// The program that gets it; two tokens of one name may be live at once
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    role: RoleIn,
    /// For how long it is good, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires_in: Option<Duration>,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevokeToken {
    /// Name or id
    name: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
}

fn role(word: &str) -> Result<Role, String> {
    let words: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
    Role::parse(word).ok_or_else(|| format!("there is no role {word}; one of {}", words.join(", ")))
}

fn name(text: &str) -> Result<String, String> {
    checked_name(text).map(str::to_owned)
}

/// The role in the named shops; a mistyped shop must not look like one where nobody has a role.
async fn grants(loaded: &Loaded, store: &Store, of: &RoleIn) -> Result<Grants, Failure> {
    let configured = loaded.config.shops.iter().map(|shop| shop.name.clone());
    let stored = store.shops().await?;
    let known: BTreeSet<String> = configured
        .chain(stored.iter().map(ToString::to_string))
        .collect();
    let mut shops: Vec<ShopName> = Vec::new();
    for asked in &of.shops {
        if !known.contains(asked) {
            let known: Vec<String> = known.into_iter().collect();
            return Err(Failure::usage(anyhow::anyhow!(
                "there is no shop {asked}; known: {}",
                known.join(", ")
            )));
        }
        let name = ShopName::new(asked)?;
        if !shops.contains(&name) {
            shops.push(name);
        }
    }
    Ok(Grants::of(of.role, &shops))
}

fn as_json(grants: &Grants) -> serde_json::Value {
    let grant = |grant: &Grant| json!({ "shop": grant.shop, "role": grant.role.as_str() });
    grants.0.iter().map(grant).collect()
}

pub(super) async fn user(loaded: &Loaded, command: &UserCommand) -> Done {
    let store = open(&loaded.config).await?;
    let now = Clock::System.now();
    match command {
        UserCommand::Add(args) => {
            let grants = grants(loaded, &store, &args.role).await?;
            let who = (args.name.as_str(), args.telegram);
            let by = actor(args.actor.as_deref());
            let change = store.add_user(who, &grants, &by, now).await?;
            let code = enrolment_code(loaded, &store, (&args.name, &by), now).await?;
            let word = match change {
                UserChange::Added => "added",
                UserChange::Changed => "changed",
                UserChange::Enabled => "enabled again",
            };
            match args.shown.format {
                Format::Json => say(&json!({
                    "user": args.name, "did": word, "roles": as_json(&grants), "telegram": args.telegram,
                    "telegram_code": code.as_ref().map(ToString::to_string),
                })
                .to_string()),
                Format::Table => {
                    say(&format!("user {} is {word}: {}", args.name, grants.words()));
                    if let Some(code) = code {
                        say(&format!(
                            "to decide orders in Telegram, they send the bot within {} minutes: /start {code}",
                            CODE_GOOD_FOR.as_mins()
                        ));
                    }
                }
            }
        }
        UserCommand::List(shown) => list_users(&store, shown.format).await?,
        UserCommand::Link(args) => {
            let Some(base) = loaded.config.web.address() else {
                return Err(Failure::usage(anyhow::anyhow!(
                    "the web app is off: set [web] listen, such as \"127.0.0.1:9465\", and restart the daemon"
                )));
            };
            let secret = Secret::of(&net::random_bytes()?);
            let by = actor(args.actor.as_deref());
            let ends = store.make_link(&args.name, &secret, &by, now).await?;
            complain(&format!(
                "{} signs in with this link once, until {}",
                args.name,
                orders::local(ends)
            ));
            print_file(&format!("{base}/sign-in/{}\n", secret.text()));
        }
        UserCommand::Disable(args) => {
            let by = actor(args.actor.as_deref());
            let tokens = store.disable_user(&args.name, &by, now).await?;
            say(&format!(
                "user {} is disabled; {} of that name revoked",
                args.name,
                table::counted(tokens, "token")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A code by which the user links their Telegram account, where a bot listens and they have none yet.
async fn enrolment_code(
    loaded: &Loaded,
    store: &Store,
    (name, by): (&str, &Actor),
    now: Timestamp,
) -> Result<Option<EnrolmentCode>, Failure> {
    if !loaded.config.channels.iter().any(|channel| channel.decide) {
        return Ok(None);
    }
    let code = EnrolmentCode::of(&net::random_bytes()?);
    let is_offered = store.offer_enrolment((name, &code), by, now).await?;
    Ok(is_offered.then_some(code))
}

async fn list_users(store: &Store, format: Format) -> Result<(), Failure> {
    let users = store.users().await?;
    if format == Format::Json {
        let users: Vec<_> = users
            .iter()
            .map(|user| {
                json!({
                    "id": user.id, "user": user.name, "roles": as_json(&user.grants), "telegram": user.telegram,
                    "added_at": user.added_at, "disabled_at": user.disabled_at,
                })
            })
            .collect();
        say(&json!(users).to_string());
        return Ok(());
    }
    let mut out = table::table(&["user", "roles", "Telegram", "added", "state"]);
    for user in &users {
        out.add_row(vec![
            user.name.clone(),
            user.grants.words(),
            user.telegram
                .map_or_else(|| "-".to_owned(), |id| id.to_string()),
            orders::local(user.added_at),
            user.disabled_at.map_or_else(
                || "enabled".to_owned(),
                |at| format!("disabled {}", orders::local(at)),
            ),
        ]);
    }
    say(&out.to_string());
    Ok(())
}

pub(super) async fn token(loaded: &Loaded, command: &TokenCommand) -> Done {
    let store = open(&loaded.config).await?;
    let now = Clock::System.now();
    match command {
        TokenCommand::Create(args) => create(loaded, &store, args, now).await?,
        TokenCommand::List(shown) => list_tokens(&store, shown.format, now).await?,
        TokenCommand::Revoke(args) => {
            let by = actor(args.actor.as_deref());
            let id = args.name.strip_prefix("qab_").unwrap_or(&args.name);
            let ids = store.revoke_tokens(id, &by, now).await?;
            say(&format!("revoked: {}", ids.join(", ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(
    loaded: &Loaded,
    store: &Store,
    args: &CreateToken,
    now: Timestamp,
) -> Result<(), Failure> {
    let grants = grants(loaded, store, &args.role).await?;
    let expires_at = args
        .expires_in
        .map(|within| now.checked_add(within))
        .transpose()?;
    let new = NewToken::of(net::random_bytes()?, &net::random_bytes()?);
    let of = (args.name.as_str(), &grants, expires_at);
    let by = actor(args.actor.as_deref());
    store.create_token(&new, of, &by, now).await?;
    if args.shown.format == Format::Json {
        let made = json!({
            "id": new.id, "name": args.name, "token": new.text, "roles": as_json(&grants), "expires_at": expires_at,
        });
        print_file(&made.to_string());
        return Ok(());
    }
    // The token alone goes to the output, so that a script can keep it.
    complain(&format!(
        "token {} of {}: {}; keep it now, it is not shown again",
        new.id,
        args.name,
        grants.words()
    ));
    print_file(&new.text);
    Ok(())
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    match (token.revoked_at, token.is_live(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "live",
        (None, false) => "expired",
    }
}

async fn list_tokens(store: &Store, format: Format, now: Timestamp) -> Result<(), Failure> {
    let tokens = store.tokens().await?;
    if format == Format::Json {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "name": token.name, "roles": as_json(&token.grants), "state": state(token, now),
                    "made_at": token.made_at, "expires_at": token.expires_at,
                    "last_used_at": token.last_used_at, "revoked_at": token.revoked_at,
                })
            })
            .collect();
        say(&json!(tokens).to_string());
        return Ok(());
    }
    let mut out = table::table(&["id", "name", "roles", "state", "last used", "expires"]);
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), orders::local);
    for token in &tokens {
        out.add_row(vec![
            token.id.clone(),
            token.name.clone(),
            token.grants.words(),
            state(token, now).to_owned(),
            moment(token.last_used_at),
            moment(token.expires_at),
        ]);
    }
    say(&out.to_string());
    Ok(())
}
