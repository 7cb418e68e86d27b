"""Events that do not come from visitors: read from files, or made up."""
