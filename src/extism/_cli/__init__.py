"""The doors: the commands `extism` and `extism-py`. Nobody imports them."""
