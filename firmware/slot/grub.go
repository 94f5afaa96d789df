package slot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/shell"
)

// GRUB is a boot loader that reads an environment block, a file that is usually
// /boot/grub/grubenv, with the variables ota_slot and ota_tries; where
// ota_tries is empty the choice is permanent. Other variables are kept.
//
// GRUB reads and writes the blocks of the file where they are on the disk. It
// knows no journal, so after a power cut it would not see a file that has just
// taken the other one's name, and would write to blocks that are free by then.
// Therefore the block is changed in its place, as GRUB changes it. Both variables
// come first in it: they are in one sector, which a disk writes whole or not at
// all.
//
// The block's format is that of GRUB's grub-core/lib/envblk.c: a signature, then
// NAME=VALUE lines in which a backslash quotes the next byte, and comments, then
// # up to the size of the file, which GRUB cannot change.
type GRUB struct {
	Path string // absolute
	Disk firmware.Disk
}

const (
	grubSignature = "# GRUB Environment Block\n"
	maxGrubSize   = 64 << 10
	grubSlot      = "ota_slot"
	grubTries     = "ota_tries"
)

// Choice reads the block.
func (g GRUB) Choice(context.Context) (Choice, error) {
	block, err := g.read()
	if err != nil {
		return Choice{}, err
	}
	values := make(map[string]string)
	for _, line := range block.lines {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	choice, err := parseChoice(values[grubSlot], values[grubTries])
	if err != nil {
		return Choice{}, fmt.Errorf("cannot understand %s in %s: %w", grubSlot, g.Path, err)
	}
	return choice, nil
}

// Choose changes the block.
func (g GRUB) Choose(_ context.Context, choice Choice) error {
	data, err := g.with(choice)
	if err == nil {
		err = g.overwrite(data)
	}
	if err != nil {
		return fmt.Errorf("cannot write the environment block %s: %w", g.Path, err)
	}
	return nil
}

// Check says why the block could not take a trial, without writing it.
func (g GRUB) Check() error {
	_, err := g.with(Choice{Tries: MaxTries})
	return err
}

// with is the block with a choice in it.
func (g GRUB) with(choice Choice) ([]byte, error) {
	block, err := g.read()
	if err != nil {
		return nil, err
	}
	block.set(grubSlot, choice.Slot.String())
	if !choice.Trial && choice.Tries > 0 {
		trial := Choice{Trial: true, Tries: choice.Tries}
		block.set(grubTries, trial.tries())
		if _, err := block.encode(); err != nil {
			return nil, err
		}
	}
	block.set(grubTries, choice.tries())
	block.set(grubSlot, choice.Slot.String())
	return block.encode()
}

// overwrite writes over the file, or over that which a link leads to.
func (g GRUB) overwrite(data []byte) error {
	path, err := filepath.EvalSymlinks(g.Path)
	if err != nil {
		return err
	}
	f, err := g.Disk.OpenDevice(path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (g GRUB) read() (grubBlock, error) {
	data, err := files.Read(g.Path, maxGrubSize)
	if errors.Is(err, fs.ErrNotExist) {
		return grubBlock{}, fmt.Errorf("cannot find the environment block; make it with %s: %w", g.create(), err)
	}
	if err != nil {
		return grubBlock{}, fmt.Errorf("cannot read the environment block: %w", err)
	}
	block, err := parseGrubBlock(data)
	if errors.Is(err, errNotGrub) {
		return grubBlock{}, fmt.Errorf("cannot understand the environment block %s: %w; make a new one with %s", g.Path, err,
			g.create())
	}
	if err != nil {
		return grubBlock{}, fmt.Errorf("cannot understand the environment block %s: %w", g.Path, err)
	}
	return block, nil
}

// create is the command that makes a new block.
func (g GRUB) create() string { return shell.Line("grub-editenv", g.Path, "create") }

var errNotGrub = errors.New("it does not begin with GRUB's signature")

// grubBlock is an environment block.
type grubBlock struct {
	size  int      // of the file, in bytes
	lines []string // each as it is written, without its line feed
}

func parseGrubBlock(data []byte) (grubBlock, error) {
	rest, found := bytes.CutPrefix(data, []byte(grubSignature))
	if !found {
		return grubBlock{}, errNotGrub
	}
	block := grubBlock{size: len(data)}
	for len(rest) > 0 {
		end := lineEnd(rest)
		if end == len(rest) && rest[0] == '#' {
			break // what fills the block; a comment has an end
		}
		if isFilling(rest[:end]) && len(bytes.Trim(rest[end:], "\x00 \t\r\n")) == 0 {
			break // an editor has left a line feed behind it
		}
		if end == len(rest) {
			return grubBlock{}, errors.New("its last line has no end")
		}
		block.lines = append(block.lines, string(rest[:end]))
		rest = rest[end+1:]
	}
	return block, nil
}

// isFilling reports whether a line is what fills the block; one with other bytes is
// a comment.
func isFilling(line []byte) bool { return len(bytes.Trim(line, "#\r")) == 0 }

// lineEnd is the place of the first line feed that is not quoted, or the length.
func lineEnd(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return i
		}
	}
	return len(text)
}

// set gives a variable its only value, before all others. The value must need no
// quotes.
func (b *grubBlock) set(name, value string) {
	b.lines = slices.DeleteFunc(b.lines, func(line string) bool { return strings.HasPrefix(line, name+"=") })
	b.lines = slices.Insert(b.lines, 0, name+"="+value)
}

func (b *grubBlock) encode() ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(grubSignature)
	for _, line := range b.lines {
		text.WriteString(line + "\n")
	}
	if text.Len() > b.size {
		return nil, fmt.Errorf("its %d bytes are full", b.size)
	}
	text.Write(bytes.Repeat([]byte{'#'}, b.size-text.Len()))
	return text.Bytes(), nil
}
