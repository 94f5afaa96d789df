package serial

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// The block-read protocol, in which the MCU is the one that asks: the device
// plays the part that a cellular module with a cloud client plays for its host.
// It announces the image by events, and the MCU answers with AT commands:
//
//	+QIOTEVT: 7,10700,"id","source","target",0,0,size   an image is there
//	AT+QIOTUPDATE=1                                     the MCU wants it (0: refuses)
//	AT+QIOTOTAREQ                                       the MCU wants to hear the offer again
//	+QIOTEVT: 7,10701,"id",size,"MD5",CRC,"SHA256"      its digests
//	+QIOTEVT: 7,10703,"id",size,start,piece             a piece can be read
//	AT+QIOTOTARD=start,length                           -> +QIOTOTARD: start,actual and bytes
//	AT+QIOTUPDATE=2                                     the next piece, if there is one
//	AT+QIOTUPDATE=3                                     all read, the MCU updates itself
//	+QIOTEVT: 7,10704                                   noted
//	AT+QIOTMCUVER="id","version"                        what it runs now
//	+QIOTEVT: 7,10705 (the target) or 10706 (another)
const (
	eventOffer    = 10700
	eventDigests  = 10701
	eventLoading  = 10702
	eventPiece    = 10703
	eventUpdating = 10704
	eventSuccess  = 10705
	eventFailure  = 10706
)

// The answers of AT+QIOTUPDATE.
const (
	actionRefuse = 0
	actionAccept = 1
	actionNext   = 2
	actionUpdate = 3
)

// Bounds of what an MCU may send and ask for, in bytes.
const (
	maxCommand = 256
	maxRead    = 4096
)

// puller serves one image to an MCU.
type puller struct {
	cfg    *Config
	port   *port.Port
	image  transfer.Image
	begin  func() error
	start  int64 // of the current piece
	piece  int64 // its length; 0 before the MCU has accepted
	begun  bool
	update bool // the MCU writes what it has read
	done   bool
	silent int // times that the MCU was reminded

	until  time.Time // when the MCU must have made a step forward
	high   int64     // offset up to which it has read
	begins int       // how often it has lost its way
}

// forward gives the MCU new time. Commands alone do not: one that has lost its way may
// ask for the same without end.
func (p *puller) forward() {
	p.until = time.Now().Add(p.cfg.Timeout*time.Duration(p.cfg.Attempts) + p.cfg.StartLimit)
}

// serve offers the image and answers until the MCU has said what it runs.
func (p *puller) serve() error {
	p.forward()
	if err := p.offer(); err != nil {
		return err
	}
	for !p.done {
		wait := p.cfg.Timeout
		if p.update {
			wait = time.Until(p.until)
		}
		if !time.Now().Before(p.until) {
			return firmware.Failf(ota.InstallerFailed, "the MCU asks without a step forward; it has read %d of %d bytes", p.high,
				p.image.Size)
		}
		text, err := p.command(wait)
		switch {
		case err == nil:
			err = p.answer(text)
		case errors.Is(err, port.ErrSilent) && !p.update && p.silent < p.cfg.Attempts-1:
			err = p.remind()
		default:
			err = fmt.Errorf("the MCU asks for nothing: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remind says again what the MCU may not have heard.
func (p *puller) remind() error {
	p.silent++
	if p.piece == 0 {
		return p.offer()
	}
	return p.announce()
}

func (p *puller) offer() error {
	return p.event(eventOffer, "%s,%s,%s,0,0,%d",
		quoted(p.cfg.Component), quoted(p.image.Source), quoted(p.image.Version), p.image.Size)
}

// command reads the next line that begins with AT; what else comes is none of
// this protocol's.
func (p *puller) command(within time.Duration) (string, error) {
	var text []byte
	for end := time.Now().Add(within); ; {
		b, err := p.port.Next(max(time.Until(end), 0))
		if err != nil {
			return "", err
		}
		if b != '\r' && b != '\n' {
			text = append(text, b)
			text = text[max(0, len(text)-maxCommand):]
			continue
		}
		// Noise before a command does not make another one of it.
		if at := strings.Index(string(text), "AT"); at >= 0 {
			return string(text[at:]), nil
		}
		text = text[:0]
	}
}

// answer answers one command.
func (p *puller) answer(text string) error {
	c, err := parseCommand(text)
	if err != nil {
		return p.say("\r\nERROR\r\n")
	}
	switch c.verb {
	case verbAction:
		return p.act(int(c.numbers[0]))
	case verbRead:
		return p.read(c.numbers[0], c.numbers[1])
	case verbVersion:
		return p.version(c.texts[0], c.texts[1])
	case verbRequest:
		return p.again()
	}
	return p.say("\r\nOK\r\n")
}

func (p *puller) act(action int) error {
	next := p.piece > 0 && p.start+p.piece < p.image.Size
	switch {
	case action == actionRefuse && p.piece == 0:
		return errors.Join(p.say("\r\nOK\r\n"), firmware.Failf(ota.InstallerFailed, "the MCU refuses the image"))
	case action == actionAccept && p.piece == 0:
		return p.accept()
	case action == actionNext && next:
		p.start += p.piece
		return p.offerPiece()
	case action == actionUpdate && p.piece > 0 && !next:
		p.update, p.until = true, time.Now().Add(p.cfg.StartLimit)
		return errors.Join(p.say("\r\nOK\r\n"), p.event(eventUpdating, ""))
	case action == actionAccept && p.start == 0, action == actionUpdate && p.update:
		return p.say("\r\nOK\r\n") // said again
	}
	return p.say("\r\nERROR\r\n")
}

// again offers the image anew to an MCU that asks what there is: it may have
// lost its way.
func (p *puller) again() error {
	if err := p.say("\r\nOK\r\n"); err != nil || p.update {
		return err
	}
	if p.piece > 0 {
		if p.begins++; p.begins >= p.cfg.Attempts {
			return firmware.Failf(ota.InstallerFailed, "the MCU has lost its way %s, the last time after %d of %d bytes",
				ota.Counted(p.begins, "time"), p.high, p.image.Size)
		}
		p.forward()
	}
	p.start, p.piece, p.high = 0, 0, 0
	return p.offer()
}

// accept gives the digests, and the first piece.
func (p *puller) accept() error {
	sums, err := sumsOf(p.image)
	if err != nil {
		return err
	}
	if err := p.say("\r\nOK\r\n"); err != nil {
		return err
	}
	if err := p.event(eventDigests, `%s,%d,"%X",%d,"%X"`, quoted(p.cfg.Component), p.image.Size, sums.md5, sums.crc,
		sums.sha256); err != nil {
		return err
	}
	return p.announce()
}

// offerPiece acknowledges the wish for another piece and announces it.
func (p *puller) offerPiece() error {
	if err := p.say("\r\nOK\r\n"); err != nil {
		return err
	}
	return p.announce()
}

func (p *puller) announce() error {
	p.piece = p.image.Size - p.start
	if p.cfg.Block > 0 {
		p.piece = min(p.piece, p.cfg.Block)
	}
	if err := p.event(eventLoading, ""); err != nil {
		return err
	}
	return p.event(eventPiece, "%s,%d,%d,%d", quoted(p.cfg.Component), p.image.Size, p.start, p.piece)
}

// read gives bytes of the current piece, as many as there are.
func (p *puller) read(start, length int64) error {
	end := p.start + p.piece
	if p.piece == 0 || start < p.start || start >= end || length == 0 || p.update {
		return p.say("\r\nERROR\r\n")
	}
	if !p.begun {
		if err := p.begin(); err != nil {
			return err
		}
		p.begun = true
	}
	data := make([]byte, min(length, maxRead, end-start))
	if _, err := p.image.ReadAt(data, start); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the image: %w", err)
	}
	if start+int64(len(data)) > p.high {
		p.high = start + int64(len(data))
		p.forward()
	}
	return p.say(fmt.Sprintf("\r\n+QIOTOTARD: %d,%d\r\n%s\r\nOK\r\n", start, len(data), data))
}

// version takes what the MCU runs now. Before it has updated itself that is the
// version from before.
func (p *puller) version(component, version string) error {
	switch mine := component == p.cfg.Component; {
	case mine && !p.update && version != p.image.Version && p.begun:
		return firmware.Failf(ota.InstallerFailed, "the MCU started anew while it was reading")
	case !mine || !p.update && version != p.image.Version:
		return p.say("\r\nOK\r\n")
	}
	p.done = true
	result := eventFailure
	if version == p.image.Version {
		result = eventSuccess
	}
	return errors.Join(p.say("\r\nOK\r\n"), p.event(result, ""))
}

func (p *puller) event(code int, format string, args ...any) error {
	if format != "" {
		format = "," + format
	}
	return p.say(fmt.Sprintf("\r\n+QIOTEVT: 7,%d"+format+"\r\n", append([]any{code}, args...)...))
}

func (p *puller) say(text string) error { return p.port.Write([]byte(text)) }

// quoted puts a text into quotes, without those of its own.
func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, "") + `"` }

// sums are the digests that an MCU may check.
type sums struct {
	md5, sha256 []byte
	crc         crcMPEG
}

func sumsOf(image transfer.Image) (sums, error) {
	m, s, c := md5.New(), sha256.New(), crcMPEG(0xffffffff)
	if _, err := io.Copy(io.MultiWriter(m, s, &c), io.NewSectionReader(image, 0, image.Size)); err != nil {
		return sums{}, fmt.Errorf("cannot read the image: %w", err)
	}
	of := func(h hash.Hash) []byte { return h.Sum(nil) }
	return sums{md5: of(m), sha256: of(s), crc: c}, nil
}

// crcMPEG is a CRC-32/MPEG-2 that bytes are written to.
type crcMPEG uint32

func (c *crcMPEG) Write(b []byte) (int, error) {
	*c = crcMPEG(crcMPEG2(uint32(*c), b))
	return len(b), nil
}

// verb is a command of an MCU.
type verb int

const (
	verbOther   verb = iota // one that means nothing here and is acknowledged
	verbAction              // AT+QIOTUPDATE=action
	verbRead                // AT+QIOTOTARD=start,length
	verbVersion             // AT+QIOTMCUVER="id","version"
	verbRequest             // AT+QIOTOTAREQ[=info]
)

// atCommand is a command with its values.
type atCommand struct {
	verb    verb
	numbers [2]int64
	texts   [2]string
}

// parseCommand reads a command. Its values must be complete and of the right
// kind.
func parseCommand(text string) (atCommand, error) {
	name, values, given := strings.Cut(text, "=")
	fields := strings.Split(values, ",")
	c := atCommand{}
	switch name {
	case "AT", "ATE0", "ATE1":
		return c, nil
	case "AT+QIOTOTAREQ":
		c.verb = verbRequest
		return c, nil
	case "AT+QIOTUPDATE":
		c.verb = verbAction
		return c, numbers(fields, c.numbers[:1])
	case "AT+QIOTOTARD":
		c.verb = verbRead
		return c, numbers(fields, c.numbers[:])
	case "AT+QIOTMCUVER":
		c.verb = verbVersion
		if len(fields) != 2 || !given {
			return c, errors.New("want two values")
		}
		for i, f := range fields {
			if len(f) < 2 || f[0] != '"' || f[len(f)-1] != '"' {
				return c, errors.New("want values in quotes")
			}
			c.texts[i] = f[1 : len(f)-1]
		}
		return c, nil
	}
	return c, errors.New("unknown command")
}

func numbers(fields []string, into []int64) error {
	if len(fields) != len(into) {
		return fmt.Errorf("want %d values", len(into))
	}
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number", f)
		}
		into[i] = n
	}
	return nil
}
