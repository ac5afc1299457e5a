# What commands print.
