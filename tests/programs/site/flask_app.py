"""A Flask application in debug mode: its reloader starts it again, and hands it the listener."""

import os

from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    return f"process {os.getpid()}."


if __name__ == "__main__":
    app.run("0.0.0.0", 8000, debug=True)
