// Package shell writes command lines that a user copies into a POSIX shell.
//
// One flow through it: a program knows what its user has to type next; Line quotes
// the words where a shell would take them for something else.
//
// The package runs nothing.
package shell

import "strings"

// plain are the characters that mean nothing but themselves, wherever they stand.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_"

// Line is the words as a shell takes them apart again.
func Line(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if strings.Trim(word, plain) != "" || word == "" {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// Path is a path as a word that no program takes for a flag.
func Path(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}
