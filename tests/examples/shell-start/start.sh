#!/usr/bin/env bash
exec ./server --port $PORT
