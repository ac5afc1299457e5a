# What commands print, beside sentences.ftl.

# Units of time, after a number.
unit-y = y
unit-mo = mo
unit-w = w
unit-d = d
unit-h = h
unit-m = m
unit-s = s
unit-ms = ms

# The dialogue of `qabyl init`.
init-begin = Configuration: { $file }. An empty answer (Enter) skips a question. Nothing is sent to Kaspi in mode propose.
init-token = Token of the API, from the Kaspi cabinet (Settings → API token → Generate):
init-token-right = The token is right: Kaspi answers.
init-hours = Working hours of the shop as the cabinet shows them, such as `mon-fri 09:00-18:00, sat 10:00-15:00`:
init-stock = Stock file (Excel, CSV or Kaspi's price list):
init-bot = Token of a Telegram bot (from @BotFather), to be sent messages:
init-write-to-bot = Write any message to your bot, then press Enter.
init-chat-found = Messages will arrive in the chat "{ $chat }". To try it: `qabyl notify test`.
init-credential = For the service to read the bot's token: `systemctl edit qabyl`, write `[Service]` and below it `LoadCredential=bot:/etc/qabyl/bot`.
init-next = Next: start `systemctl enable --now qabyl` or `qabyl run`, then see what it decides: `qabyl orders list`. It sends once you set mode = "act".
