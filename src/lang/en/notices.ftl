# Messages of notification channels: each kind of notice, and what stands around them.

notice-order-held = Shop { $shop }: order { $order } is waiting for your decision: { $why }. Time left: { $left }.
    .name = Orders waiting for your decision
notice-order-deadline_near = Shop { $shop }: order { $order } is close to its deadline, time left: { $left }. It is still waiting: { $why }. Accept or cancel it now, or Kaspi will cancel it at your cost.
    .name = Orders close to their deadline
notice-order-deadline_past = Shop { $shop }: the deadline of order { $order } has passed, and it is still new: { $why }. Open it in the cabinet now: until Kaspi cancels it, it can be accepted.
    .name = Orders past their deadline
notice-action-refused = Shop { $shop }: Kaspi refused to { $action } order { $order }. Please handle it in the cabinet before its deadline.
    .name = Actions refused by Kaspi
notice-action-stuck = Shop { $shop }: the request to { $action } order { $order } had no effect (attempts: { $attempts }). Please handle it in the cabinet before its deadline.
    .name = Actions without effect
notice-shop-denied = Shop { $shop }: { $denied }. Orders are no longer handled.
    .name = Access denied by Kaspi
notice-shop-admitted = Shop { $shop }: Kaspi lets the shop in again, and orders are handled.
    .name = Access restored by Kaspi
notice-kaspi-down = Shop { $shop }: new orders could not be read from Kaspi since { $since }. Watch the orders in the cabinet; work goes on by itself once Kaspi answers. The cause: qabyl status.
    .name = Kaspi does not answer
notice-shop-unread = Shop { $shop } has not been read since { $since }. What was accepted there since then is unknown, so shops of the same stock ({ $waiting }) accept no orders. The cause: qabyl doctor. If they cannot wait: qabyl shops waive { $shop } lets them go on without it.
    .name = A shop is not read, and others wait
notice-kaspi-up = Shop { $shop }: Kaspi answers again, and orders are handled.
    .name = Kaspi answers again
notice-shop-mismatch = Shop { $shop }: its token shows the orders of another merchant or shop. Nothing is sent for it or for that shop. Check which token belongs to which shop (`qabyl status`).
    .name = A token shows another shop's orders
notice-shop-elsewhere = Shop { $shop }: another Qabyl on this machine acts for it, with a database of its own. This one sends nothing. Stop one of them: they do not know of each other's decisions.
    .name = Another Qabyl acts for a shop
notice-orders-not_found = Shop { $shop }: Kaspi does not know { $orders ->
    [one] { $orders } order
   *[other] { $orders } orders
  } that it showed before. Check that this is the right shop's token. Other orders are handled.
    .name = Orders unknown to Kaspi
notice-order-unread = Shop { $shop }: the lines of order { $order } cannot be read, and it is accepted or gone out already. Until it is known what it holds, no orders of { $skus } are accepted. Look at it in the cabinet and say what it holds: `qabyl orders resolve { $order }`.
    .name = Orders that cannot be read
notice-stock-stale = The stock is { $age } old and no longer used (limit: { $limit }). Import it again: until then orders wait for your decision.
    .name = Stock is out of date
notice-stock-collapsed = The stock feed looks broken: { $fell } of { $had } SKUs fell to zero at once ({ $source }). Cancels are stopped until you have checked it.
    .name = Stock fell to zero
notice-stock-overdrawn = More of { $sku } is promised than there is: { $promised } promised, { $on_hand } on hand. Orders: { $orders }. Count it again, and decide what becomes of these orders.
    .name = More promised than there is
notice-stock-source_failed = Stock source { $source }: { $trouble } ({ $code }). More: qabyl stock sources.
    .name = Stock source failed
notice-cancels-near = Shop { $shop }: { $cancelled } of { $decided } orders were cancelled ({ $share }). At { $limit } cancels stop, and such orders wait for you.
    .name = Cancel budget nearly used up
notice-backup-failed = The database could not be backed up. Check the disk space and the permissions of backup.directory; orders are still handled.
    .name = Backups failed
notice-message-dropped = Channel { $channel } rejected a message with { $count } events. Orders: { $orders }. See qabyl notify list and qabyl orders list --held.
    .name = Messages given up
notice-digest = Shop { $shop }, { $from } to { $until }: new orders { $new }, accepted { $accepted }, cancelled { $cancelled }. Waiting for you now: { $held }; waiting for a later check: { $waiting }. Cancelled share: { $share }.
    .name = Daily summary
notice-test = Test of channel { $channel }: messages from Qabyl arrive.
    .name = Test
frame-bundle = { $name }: { $count }
frame-more = … and { $count } more
frame-summary = Messages could not be delivered for a while. Events since { $since }: { $count }
frame-short = This message was shortened: the channel rejected the full one. Events: { $count }. More: qabyl orders list --held
denied-K401 = Kaspi does not accept the token. Make a new one in the cabinet (Settings → API token) and put it in the token file
denied-K403 = Kaspi knows the token, but access to the API is closed. Call 2323 and ask for the API to be activated; a new token does not help
word-span = { $hours ->
    [0] { $minutes } min
   *[other] { $minutes ->
        [0] { $hours } h
       *[other] { $hours } h { $minutes } min
      }
  }
word-late = none, the deadline is past
word-accept = accept
word-cancel = cancel
word-any_goods = any goods
notice-bot-conflict = The bot of channel { $channel } is also used by another program, and presses of buttons may not arrive. If you started none, somebody else may have its token: revoke it in BotFather (`/revoke`) and put the new one in the token file.
    .name = Somebody else uses the bot
