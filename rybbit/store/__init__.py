"""Where events live: the journal that takes them in and the stores it feeds."""
