# What the Telegram bot answers: buttons, commands, enrolment.
telegram-linked = Done, { $name }: this account is connected. Orders that wait for a decision come with buttons.
telegram-wrong_code = This code is not valid: a code is good for 10 minutes and only once. Ask the administrator for a new one.
telegram-linked_already = This account is connected already: { $name }.
