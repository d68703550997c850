import flask

server: flask.Flask = flask.Flask(__name__)
