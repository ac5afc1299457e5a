# What the Telegram bot answers: buttons, commands, enrolment.
