# What the Telegram bot answers: buttons, commands, enrolment.
telegram-linked = Готово, { $name }: этот аккаунт подключён. Заказы, которые ждут решения, будут приходить с кнопками.
telegram-wrong_code = Этот код не подходит: он действует 10 минут и только один раз. Попросите новый у администратора.
telegram-linked_already = Этот аккаунт уже подключён: { $name }.
