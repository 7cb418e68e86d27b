"""The read path: a typed query goes in, rows come out; a file a question."""
