package main

// An image with nothing but this program has no certificates to verify a broker or a
// store by. Where a system has none, those count that are built in: Mozilla's list.
import _ "golang.org/x/crypto/x509roots/fallback"
