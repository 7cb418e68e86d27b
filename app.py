"""`flask --app app run`, `gunicorn app:app`."""

from rybbit import create_app

app = create_app()
