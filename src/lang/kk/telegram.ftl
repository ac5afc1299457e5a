# What the Telegram bot answers: buttons, commands, enrolment.
telegram-linked = Дайын, { $name }: бұл аккаунт қосылды. Шешім күткен тапсырыстар түймелермен келеді.
telegram-wrong_code = Бұл код жарамайды: ол 10 минут қана және бір рет қолданылады. Әкімшіден жаңасын сұраңыз.
telegram-linked_already = Бұл аккаунт бұрыннан қосулы: { $name }.
