"""The write path: from the body of a request to a line in the journal, a file a stage."""
