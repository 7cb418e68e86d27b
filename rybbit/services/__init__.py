"""What people do with accounts, organizations, sites and keys.

Services work in `db.session` and never commit: the end of the request or command does.
"""
