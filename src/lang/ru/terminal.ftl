# What commands print, beside sentences.ftl.

# Units of time, after a number.
unit-y = г
unit-mo = мес
unit-w = нед
unit-d = д
unit-h = ч
unit-m = мин
unit-s = с
unit-ms = мс

# The dialogue of `qabyl init`.
init-begin = Настройки: { $file }. Пустой ответ (Enter) пропускает вопрос. Ничего не отправляется в Kaspi, пока режим propose.
init-token = Токен API из кабинета Kaspi (Настройки → Токен API → Сформировать):
init-token-right = Токен верный: Kaspi отвечает.
init-hours = Часы работы магазина, как в кабинете, например `mon-fri 09:00-18:00, sat 10:00-15:00`:
init-stock = Файл с остатками (Excel, CSV или прайс-лист Kaspi):
init-bot = Токен бота Telegram (его даёт @BotFather), чтобы получать сообщения:
init-write-to-bot = Напишите своему боту любое сообщение и нажмите Enter.
init-chat-found = Сообщения будут приходить в чат «{ $chat }». Проверить: `qabyl notify test`.
init-credential = Чтобы служба могла прочитать токен бота: `systemctl edit qabyl`, впишите `[Service]` и строкой ниже `LoadCredential=bot:/etc/qabyl/bot`.
init-next = Дальше: запустите `systemctl enable --now qabyl` или `qabyl run`, затем смотрите решения: `qabyl orders list`. Отправлять Qabyl начнёт, когда вы поставите mode = "act".
