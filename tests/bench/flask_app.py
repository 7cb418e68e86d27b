"""The least that a Flask app can do with a posted event: the yardstick for the server's own work."""

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/api/track")
def track() -> Response:
    """Read the JSON and say so."""
    request.get_json()
    return Response(b'{"success":true}', mimetype="application/json")
