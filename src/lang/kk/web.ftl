# What the web app shows.
