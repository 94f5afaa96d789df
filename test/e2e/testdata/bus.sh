#!/bin/sh
# The handler of every sub-device: it passes each verb on to the one of the device
# in whose name it is called, which lies in a directory of its own.
exec sh "$(dirname "$0")/$OTA_DEVICE/handler" "$@"
