# What commands print, beside sentences.ftl.

# Units of time, after a number.
unit-y = ж
unit-mo = ай
unit-w = апта
unit-d = күн
unit-h = сағ
unit-m = мин
unit-s = с
unit-ms = мс

# The dialogue of `qabyl init`.
init-begin = Баптаулар: { $file }. Бос жауап (Enter) сұрақты өткізіп жібереді. Режим propose болғанда Kaspi-ге ештеңе жіберілмейді.
init-token = Kaspi кабинетіндегі API токені («Настройки → Токен API → Сформировать»):
init-token-right = Токен дұрыс: Kaspi жауап береді.
init-hours = Дүкеннің жұмыс уақыты, кабинеттегідей, мысалы `mon-fri 09:00-18:00, sat 10:00-15:00`:
init-stock = Қалдық файлы (Excel, CSV не Kaspi прайс-парағы):
init-bot = Хабарлама алу үшін Telegram ботының токені (оны @BotFather береді):
init-write-to-bot = Ботыңызға кез келген хабарлама жазып, Enter басыңыз.
init-chat-found = Хабарламалар «{ $chat }» чатына келеді. Тексеру: `qabyl notify test`.
init-credential = Қызмет бот токенін оқи алуы үшін: `systemctl edit qabyl`, `[Service]` деп, астына `LoadCredential=bot:/etc/qabyl/bot` деп жазыңыз.
init-next = Енді: `systemctl enable --now qabyl` не `qabyl run` іске қосыңыз, содан кейін шешімдерді қараңыз: `qabyl orders list`. mode = "act" қойғаныңызда Qabyl жібере бастайды.
