#!/usr/bin/env bash
# Prints the share of statements that a cover profile reached, by package and
# in all. A block that several test programs ran counts once.
set -euo pipefail

awk '
	FNR > 1 {
		statements[$1] = $2
		if ($3 > 0) reached[$1] = 1
	}
	END {
		for (block in statements) {
			package = block
			sub(/\/[^\/]*$/, "", package)
			n[package] += statements[block]; all += statements[block]
			if (reached[block]) { r[package] += statements[block]; hit += statements[block] }
		}
		for (package in n) printf "%6.1f%%  %s\n", 100 * r[package] / n[package], package | "sort -k2"
		close("sort -k2")
		if (all) printf "%6.1f%%  in all\n", 100 * hit / all
	}' "${1:?usage: cover.sh PROFILE}"
