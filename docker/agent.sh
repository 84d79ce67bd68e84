#!/bin/sh
# Serve one ClearML queue, given as the argument, in the foreground.
set -eu

: "${1:?Name the queue to serve, e.g. gpu}"
: "${CLEARML_API_ACCESS_KEY:?is empty. Put the key of your ClearML server into .env}"
: "${CLEARML_API_SECRET_KEY:?is empty. Put the secret of your ClearML server into .env}"

exec clearml-agent daemon --foreground --create-queue --queue "$1"
