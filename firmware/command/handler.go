package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// tryAgainLater is the exit code of a handler that cannot work now (EX_TEMPFAIL).
const tryAgainLater = 75

// errNotDone marks the failure of a handler that ran.
var errNotDone = errors.New("not done")

// call runs the handler for one verb and returns what it printed. job is the
// zero Job for inspect and image.
func (in *Installer) call(ctx context.Context, v verb, job firmware.Job, files []string) ([]byte, error) {
	if err := in.checkHandler(); err != nil {
		return nil, err
	}
	if err := in.cfg.Disk.MkdirAll(in.work); err != nil {
		return nil, firmware.WriteFailure(fmt.Errorf("cannot make the handler's directory: %w", err))
	}
	program := firmware.Program{
		Args: []string{in.cfg.Path, string(v)},
		Dir:  in.work,
		Env: []string{
			"OTA_DEVICE=" + in.cfg.Device,
			"OTA_COMPONENT=" + in.cfg.Component,
			"OTA_SOURCE=" + job.Source,
			"OTA_TARGET=" + job.Target,
			"OTA_WORK_DIR=" + in.work,
			"OTA_FILES=" + strings.Join(files, "\n"),
		},
		Limit: in.cfg.Limits.of(v),
		Grace: in.cfg.Grace,
		Trace: filepath.Join(in.cfg.StateDir, "run"),
	}
	began := time.Now()
	outcome, err := program.Run(ctx)
	in.log.Debug("handler ended", "step", v, "exit", outcome.Exit, "took", time.Since(began), "error", err)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", errNotDone, v, err)
	case outcome.Exit == tryAgainLater:
		return nil, fmt.Errorf("%s: %w: %w", v, firmware.ErrRetry, outcome.Failed())
	case outcome.Exit != 0:
		return nil, fmt.Errorf("%w: %s: %w", errNotDone, v, outcome.Failed())
	}
	return outcome.Stdout, nil
}

// checkHandler gives the commonest mistakes of a configuration plain words.
func (in *Installer) checkHandler() error {
	info, err := os.Stat(in.cfg.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return firmware.Failf(ota.InstallerFailed, "handler %s does not exist", in.cfg.Path)
	case err != nil:
		return firmware.Failf(ota.InstallerFailed, "cannot run the handler: %v", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return firmware.Failf(ota.InstallerFailed, "handler %s is not an executable file", in.cfg.Path)
	}
	return nil
}

// failure gives the failure of a handler that ran its code. What did not come
// from the handler stays as it is.
func failure(code ota.Code, err error) error {
	if !errors.Is(err, errNotDone) {
		return err
	}
	detail := strings.TrimPrefix(err.Error(), errNotDone.Error()+": ")
	return &ota.Failure{Code: code, Detail: ota.Clip(detail, ota.MaxDetail)}
}

// answer is what the last line of a handler's stdout says.
type answer struct {
	Version string           `json:"version"`
	Image   string           `json:"image"`
	Restart firmware.Restart `json:"restart"`
}

// lastLine is the last line of stdout that is not blank.
func lastLine(stdout []byte) []byte {
	stdout = bytes.TrimSpace(stdout)
	return bytes.TrimSpace(stdout[bytes.LastIndexByte(stdout, '\n')+1:])
}

// parseVersion reads the answer to inspect.
func parseVersion(stdout []byte) (string, error) {
	a, err := parseAnswer(inspect, stdout)
	if err != nil {
		return "", err
	}
	if !ota.ValidVersion(a.Version) {
		return "", malformed(inspect, stdout, `"version" of 1 to 64 printable characters`)
	}
	return a.Version, nil
}

// parseImage reads the answer to image. One that is none keeps the patch from
// being applied, and nothing else.
func parseImage(stdout []byte) (string, error) {
	a, err := parseAnswer(image, stdout)
	if err != nil || !filepath.IsAbs(a.Image) {
		return "", firmware.Failf(
			ota.DeltaFailed, `the handler's last line for image must be {"image":"PATH"} with an absolute path`,
		)
	}
	return a.Image, nil
}

// parseRestart reads the answer to activate or revert. revert may say nothing,
// which stands for none; its last line then is no JSON object.
func parseRestart(v verb, stdout []byte) (firmware.Restart, error) {
	if v == revert && !bytes.HasPrefix(lastLine(stdout), []byte("{")) {
		return firmware.RestartNone, nil
	}
	a, err := parseAnswer(v, stdout)
	if err != nil {
		return "", err
	}
	if !a.Restart.Valid() {
		return "", malformed(v, stdout, `"restart" none, process or system`)
	}
	return a.Restart, nil
}

func parseAnswer(v verb, stdout []byte) (answer, error) {
	var a answer
	if err := json.Unmarshal(lastLine(stdout), &a); err != nil {
		return answer{}, malformed(v, stdout, "a JSON object")
	}
	return a, nil
}

func malformed(v verb, stdout []byte, want string) error {
	const excerpt = 80 // bytes
	line := lastLine(stdout)
	return firmware.Failf(ota.InstallerFailed, "the handler's last line for %s must be %s, not %s",
		v, want, strconv.QuoteToASCII(string(line[:min(len(line), excerpt)])))
}
