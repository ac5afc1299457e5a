//! Every event: constant, name, level, error codes, fields, and when it is logged. `docs/LOGGING.md` is made of this.

use tracing::Level;

use super::Event;

macro_rules! events {
    ($($section:literal {
        $($constant:ident $name:literal $level:ident [$($code:literal)*] [$($field:literal)*] $when:literal;)+
    })+) => {
        $($(
            #[doc = concat!("`", $name, "`: ", $when, ".")]
            pub const $constant: Event = Event {
                name: $name,
                level: Level::$level,
                codes: &[$($code),*],
                fields: &[$($field),*],
                when: $when,
            };
        )+)+

        /// All events, in the sections of `docs/LOGGING.md`.
        pub const SECTIONS: &[(&str, &[Event])] = &[$(($section, &[$($constant),+])),+];
    };
}

events! {
    "Orders" {
        POLL_PLANNED "poll.planned" DEBUG [] ["shop" "plan"]
            "a poll is about to ask Kaspi this";
        SWEEP_PLANNED "sweep.planned" DEBUG [] ["shop" "plan"]
            "a sweep is about to ask Kaspi this";
        ACT_PLANNED "act.planned" DEBUG [] ["shop" "plan"]
            "an act pass is about to handle these actions";
        POLL_NEWS "poll.news" INFO [] ["shop" "listed" "new" "changed" "lines_read"]
            "a list of new orders brought something new";
        POLL_INCOMPLETE "poll.incomplete" WARN [] ["shop" "why"]
            "a list was cut off, shifted or too long; nothing is decided from it";
        ORDER_UNREADABLE "order.unreadable" ERROR ["K006"] ["order.code" "code" "shop" "hint"]
            "one order of a list could not be understood; logged again each half hour while it waits";
        ORDER_STATUS_REVERTED "order.status_reverted" WARN [] ["order.code" "shop" "before" "shown"]
            "Kaspi shows an order in an earlier status than before; its units are in doubt until `ledger.reverted_lists` complete lists agree";
        ORDER_STATUS_BELIEVED "order.status_believed" WARN [] ["order.code" "shop" "before" "shown"]
            "so many complete lists showed the earlier status: the order goes on from there";
        ORDER_DECIDED "order.decided" INFO [] ["order.code" "decision.id" "rule" "verdict" "shop" "acts" "age_s" "left_s" "total_kzt" "lines" "express" "short" "policy" "why"]
            "a decision was stored, one wide line for each; `acts` is false in mode propose";
        ATTEMPT_ENDED "attempt.ended" INFO [] ["order.code" "decision.id" "action" "attempt.n" "outcome" "shop" "by_person" "took_ms" "age_s" "detail"]
            "a POST ended, one wide line for each: `applied`, `rejected`, `snoozed` (429), `not_sent`, `denied` or `unknown`";
        ACTION_ENDED "action.ended" INFO [] ["order.code" "action" "outcome" "shop"]
            "Kaspi shows what became of the action: `confirmed`, `refused` or `superseded`";
        ACTION_REFUSED "action.refused" ERROR ["A001"] ["order.code" "decision.id" "action" "code" "shop" "hint"]
            "Kaspi refused the request and shows the order unchanged: it is held for a person";
        ACTION_STUCK "action.stuck" ERROR ["A002"] ["order.code" "decision.id" "action" "code" "shop" "attempts" "hint"]
            "none of `actions.attempts_max` POSTs had an effect";
        ACTION_IMPOSSIBLE "action.impossible" ERROR ["D006"] ["order.code" "action" "code" "shop" "why" "hint"]
            "what happened is impossible in the stored state of an action, as where the database was changed from outside: its order is held for a person, all others go on";
        ORDER_DEADLINE_NEAR "order.deadline_near" ERROR ["A003"] ["order.code" "code" "shop" "left_s" "why" "hint"]
            "an order still waits `schedule.alert_before` (working time) before its deadline; logged once, and once more only if the process dies while logging it";
        ORDER_DEADLINE_PAST "order.deadline_past" ERROR ["A004"] ["order.code" "code" "shop" "left_s" "why" "hint"]
            "an order's deadline has passed and Kaspi still shows it as new; logged once, as above";
        ACTIONS_RECOVERED "actions.recovered" WARN [] ["shop" "actions"]
            "requests were in flight when the process stopped; their orders are read first";
    }
    "Shops and Kaspi" {
        SHOP_DENIED "shop.denied" ERROR ["K401" "K403"] ["code" "shop" "hint"]
            "Kaspi denies the shop access; the shop stops acting, other shops go on";
        SHOP_ADMITTED "shop.admitted" INFO [] ["shop"]
            "Kaspi grants the shop access again";
        SHOP_MISMATCHED "shop.mismatched" ERROR ["K008"] ["code" "shop" "hint"]
            "a token shows orders of another merchant or shop; nothing is sent for the shop, nor for the other one";
        SHOP_IDENTIFIED "shop.identified" INFO [] ["shop"]
            "the shop's token shows its own orders again; work goes on";
        SHOP_RENAMED "shop.renamed" INFO [] ["shop" "before"]
            "a shop was recognised under a new name: its orders, holds and pause are kept";
        ORDERS_NOT_FOUND "orders.not_found" ERROR ["K405"] ["code" "shop" "orders" "hint"]
            "Kaspi answers 404 for several orders that it showed before: they are asked about ever more rarely, other orders go on";
        SHOP_CAUGHT_UP "shop.caught_up" INFO [] ["shop" "listed" "new" "changed"]
            "after a restore, everything that happened since the backup is read; work goes on";
        SHOP_HOUR "shop.hour" INFO [] ["shop" "new" "accepted" "cancelled" "held" "waiting" "stuck" "requests" "ok" "denied" "refused" "asked_to_wait" "server_error" "not_sent" "timeout" "broken" "cancel_share" "stock_age_s"]
            "one line an hour for each shop: orders since the last hour, how many wait, requests to Kaspi since the last line by result, the share of cancels and the age of stock";
        TOKEN_REPLACED "token.replaced" INFO [] ["shop"]
            "the token file changed and the new token is in use";
        TOKEN_UNREADABLE "token.unreadable" WARN [] ["shop"]
            "the token file changed and cannot be read; the last token stays in use";
        TOKEN_SHARED "token.shared" WARN [] ["shop" "other"]
            "the token file changed to the token of another shop; the last token stays in use";
        CONFIG_TOKEN_READABLE "config.token_readable" WARN [] ["shop" "file"]
            "other users can read a token file";
        CLOCK_SKEW "clock.skew" WARN [] ["shop" "skew_s"]
            "this machine's clock differs from Kaspi's; cancels wait while it does";
        CLOCK_STEPPED "clock.stepped" WARN [] ["shop" "set_back_s"]
            "the clock was set back; times stored ahead of it are corrected";
        ONCE_RETRY "once.retry" WARN [] ["code" "shop" "hint"]
            "`qabyl once` met an outage and tries again";
    }
    "Stock" {
        STOCK_IMPORTED "stock.imported" INFO [] ["source" "rows" "outdated" "fell_to_zero" "absent"]
            "a configured source was imported";
        STOCK_SOURCE_FAILED "stock.source_failed" ERROR ["S001" "S002" "S003" "S004" "S005" "S006" "S007" "S008"] ["source" "code" "hint"]
            "a source cannot be used as it is; logged once, until it is fixed or something else is wrong";
        STOCK_SOURCE_RECOVERED "stock.source_recovered" INFO [] ["source"]
            "the source can be used again";
    }
    "The daemon" {
        DAEMON_STARTED "daemon.started" INFO [] ["pid" "version" "shops" "database" "epoch"]
            "the database is open and the stages run";
        DATABASE_CREATED "database.created" WARN [] ["database"]
            "there was no database at `database.path`, and a new one was made";
        DAEMON_STOPPED "daemon.stopped" INFO [] []
            "everything in flight has ended";
        STAGE_FAILED "stage.failed" WARN [] ["stage" "code" "shop" "repeats" "hint"]
            "a stage could not finish; the same failure is logged once in five minutes, then with the number of repeats";
        STAGE_RECOVERED "stage.recovered" INFO [] ["stage" "shop" "failures" "failed_for_s"]
            "the stage works again; how often it failed, and for how long";
        STAGE_PANICKED "stage.panicked" ERROR ["R002"] ["stage" "code" "shop" "hint"]
            "a defect in Qabyl; the stage starts again from the database";
        STAGE_HUNG "stage.hung" ERROR ["R001"] ["stage" "code" "hint"]
            "a run does not end; the service manager's watchdog is no longer fed";
        RELOAD_DONE "reload.done" INFO [] ["shop" "before" "policy" "differs"]
            "SIGHUP: the rules and the sections `interlocks` and `schedule` were read again; the digests before and now";
        RELOAD_PARTIAL "reload.partial" WARN [] ["keys"]
            "SIGHUP: these settings changed, and only a restart applies them";
        RELOAD_REFUSED "reload.refused" ERROR ["C001"] ["code" "hint"]
            "SIGHUP: the files have mistakes; the last good ones stay in force";
        LOG_DROPPED "log.dropped" WARN [] ["dropped"]
            "nobody read the output for a while and more waited than is kept: so many lines are missing";
        SERVICE_MANAGER_UNREACHABLE "service_manager.unreachable" DEBUG [] []
            "the service manager could not be notified";
        BACKUP_MADE "backup.made" INFO [] ["file" "bytes" "took_ms" "removed"]
            "a complete backup is on disk";
        BACKUP_FAILED "backup.failed" ERROR ["B001"] ["code" "folder" "hint"]
            "a backup that was due could not be made; logged once in five minutes, tried every minute";
        BACKUP_RECOVERED "backup.recovered" INFO [] []
            "backups are made again";
        RETENTION_DELETED "retention.deleted" INFO [] ["orders" "audit_rows"]
            "finished orders and old rows of the audit log were deleted after their retention period";
        RULES_ABSENT "rules.absent" WARN [] ["file"]
            "`[rules] file` is `rules.toml` and there is none: the embedded rules are in force; logged at every start";
        INTERLOCK_OFF "interlock.off" WARN [] ["interlock"]
            "the configuration relaxes an interlock; logged at every start";
        CLAIM_TAKEN "claim.taken" WARN [] ["uid"]
            "another user of this machine, who does not have the shop's token, took the name of its claim; work goes on without the claim";
        SETTLE_SHORT "settle.short" WARN [] ["settle_s" "request_timeout_s"]
            "`actions.settle` is below `kaspi.request_timeout`, as in a trial; logged at every start";
        DESCRIPTORS_FEW "descriptors.few" WARN [] ["allowed" "needed" "hint"]
            "the limit of open files is below what the shops may need; logged at the start";
        HTTP_REFUSED "http.refused" WARN [] ["peer" "count"]
            "a request for the status pages carried a wrong token; logged for the first within a minute, and when more are turned away";
        API_REFUSED "api.refused" WARN [] ["peer" "count"]
            "a request of the API carried a wrong token; logged for the first of an address within a minute, and when more are answered slowly";
        API_FAILED "api.failed" WARN [] []
            "the API ended; orders go on";
        HTTP_FAILED "http.failed" WARN [] []
            "the status pages ended; orders go on";
        WEB_UNANSWERED "web.unanswered" WARN [] ["code"]
            "the database did not answer a request of the web app or the API; the page shows the code, this line the cause";
    }
    "Channels" {
        NOTIFY_DELIVERED "notify.delivered" DEBUG [] ["attempt.n" "channel" "notices" "age_s"]
            "a channel took a message";
        NOTIFY_FAILING "notify.failing" WARN [] ["channel" "failures" "why"]
            "a channel does not answer; its messages wait; logged once an hour";
        NOTIFY_REFUSED "notify.refused" ERROR ["N001"] ["channel" "code" "failures" "why" "hint"]
            "a channel refuses messages; they wait; logged once an hour";
        NOTIFY_RECOVERED "notify.recovered" INFO [] ["channel"]
            "messages to the channel arrive again";
        NOTIFY_SUMMARISED "notify.summarised" WARN [] ["channel" "messages"]
            "messages that waited for too long, or too many of them, became one";
        TELEGRAM_LINKED "telegram.linked" INFO [] ["channel" "user" "telegram"]
            "a user linked their Telegram account by a code";
        TELEGRAM_PRESSED "telegram.pressed" INFO [] ["channel" "shop" "order.id" "user" "outcome"]
            "a user pressed a button: what that did";
        TELEGRAM_REFUSED "telegram.refused" WARN [] ["channel" "telegram" "why"]
            "what somebody wrote or pressed in Telegram did nothing: no user, a wrong code, a button that is no longer good";
        TELEGRAM_FAILING "telegram.failing" WARN [] ["channel" "failures" "why"]
            "a bot cannot be asked what is pressed; logged once an hour";
        TELEGRAM_RECOVERED "telegram.recovered" INFO [] ["channel"]
            "the bot can be asked again";
        TELEGRAM_CONFLICT "telegram.conflict" ERROR ["N002"] ["channel" "code" "why" "hint"]
            "somebody else asks with the bot's token at the same time; logged once an hour";
        TELEGRAM_REPLY_FAILED "telegram.reply_failed" WARN [] ["channel" "why"]
            "an answer in Telegram was not delivered";
        NOTIFY_DROPPED "notify.dropped" WARN [] ["channel" "why"]
            "a channel refused one message three times as invalid: it is not sent again";
    }
}
