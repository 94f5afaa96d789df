#!/usr/bin/env bash
# Runs the tool that makes bills of materials, for this machine whatever is built.
#
#   scripts/sbom.sh ARGUMENT...
set -euo pipefail
exec env -u GOARCH -u GOARM -u GOMIPS "${GO:-go}" run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 "$@"
