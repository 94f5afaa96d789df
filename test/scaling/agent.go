package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// messages is how many plans a device is sent, one after the other.
const messages = 200

// planMessages sends an agent plans of so many KiB, by the flood of test/flood.
func (s *site) planMessages(kib int) (cost, error) {
	return s.agentWith(s.flood, "--size", strconv.Itoa(kib<<10), "--total", strconv.Itoa(messages*kib<<10))
}

// agentImage upgrades a device to an image of so many MiB.
func (s *site) agentImage(mib int) (cost, error) {
	image, err := s.image(int64(mib) << 20)
	if err != nil {
		return cost{}, err
	}
	if _, err := s.run(s.sim, packing("app", "app.ota", image)...); err != nil {
		return cost{}, err
	}
	const free = "127.0.0.1:0"
	return s.agentWith(s.sim, "platform", "--listen", free, "--store-listen", free, "--page", "", "--upgrade", "app.ota",
		"--until-done", "1")
}

// agentWith runs an agent beside a program that says where its broker is, until that one
// ends.
func (s *site) agentWith(program string, args ...string) (c cost, err error) {
	other := exec.CommandContext(s.ctx, program, args...)
	other.Dir = s.dir
	out, err := other.StdoutPipe()
	if err != nil {
		return c, err
	}
	if err := other.Start(); err != nil {
		return c, err
	}
	broker := saidAfter(out, "broker mqtt://")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	agent, err := s.startAgent(broker)
	if err != nil {
		return c, errors.Join(err, other.Process.Kill(), other.Wait())
	}
	err = other.Wait()
	time.Sleep(time.Second / 2) // for what the last message of it causes
	err = errors.Join(err, agent.Process.Signal(syscall.SIGTERM), agent.Wait())
	return costOf(agent), err
}

// saidAfter is the word behind another one in what a program says; empty if it ends
// without.
func saidAfter(out io.Reader, before string) string {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, after, found := strings.Cut(lines.Text(), before); found {
			word, _, _ := strings.Cut(after, ",")
			return strings.TrimSuffix(word, "/")
		}
	}
	return ""
}

// startAgent starts the agent of a new device.
func (s *site) startAgent(broker string) (*exec.Cmd, error) {
	dir := filepath.Join(s.dir, "device")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, err
	}
	if _, err := s.image(0); err != nil { // with its keys
		return nil, err
	}
	settings := fmt.Sprintf(`product: gw
device: gw-0001
broker: {urls: ["mqtt://%s"]}
state_dir: state
control_socket: agent.sock
trust: {keys: [../release.pub]}
components: [{id: app, type: module, installer: file, version: "1", file: {path: app}}]
`, broker)
	err := errors.Join(os.WriteFile(filepath.Join(dir, "app"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(settings), 0o600))
	if err != nil {
		return nil, err
	}
	agent := exec.CommandContext(s.ctx, s.agent, "run", "--config", "agent.yaml")
	agent.Dir = dir
	return agent, agent.Start()
}
