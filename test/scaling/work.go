package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// scene runs a scenario.
func (s *site) scene(c scene, flags ...string) (cost, error) {
	path, err := c.write(s.dir)
	if err != nil {
		return cost{}, err
	}
	return s.simulate(append([]string{"run", path, "--quiet"}, flags...)...)
}

// validate validates a scenario with so many of everything.
func (s *site) validate(n int) (cost, error) {
	c := scene{fleets: n, devices: n, plans: n, faults: n, rules: n, counts: n}
	path, err := c.write(s.dir)
	if err != nil {
		return cost{}, err
	}
	return s.simulate("validate", path)
}

// validateListed validates a scenario with a device file.
func (s *site) validateListed(n int) (cost, error) {
	var lines strings.Builder
	lines.WriteString("key,fleet,product,version.app,tags\n")
	for i := range n {
		fmt.Fprintf(&lines, "gw-%07d,f%d,gw-%d,1.0.0,pilot t%d\n", i, i%10, i%10, i%7)
	}
	text := "scenario: listed\nduration: 1h\nfleet: {devices: listed.csv}\n"
	err := os.WriteFile(filepath.Join(s.dir, "listed.csv"), []byte(lines.String()), 0o600)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "listed.yaml"), []byte(text), 0o600)
	}
	if err != nil {
		return cost{}, err
	}
	return s.simulate("validate", "listed.yaml")
}

// history makes the histories of a run in so many shards, and gives their directories.
func (s *site) history(name string, devices, shards int) ([]string, error) {
	c := scene{devices: devices, components: 2, faults: 3}
	path, err := c.write(s.dir)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for i := range shards {
		dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", name, i+1))
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		args := []string{"run", path, "--virtual", "--quiet", "--out", dir}
		if shards > 1 {
			args = append(args, "--shard", fmt.Sprintf("%d/%d", i+1, shards), "--verdict", "merge")
		}
		if _, err := s.run(s.sim, args...); err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// forget removes histories.
func forget(dirs []string) {
	for _, dir := range dirs {
		os.RemoveAll(dir)
	}
}

func (s *site) report(devices int) (cost, error) {
	dirs, err := s.history("report", devices, 1)
	if err != nil {
		return cost{}, err
	}
	defer forget(dirs)
	return s.simulate("report", dirs[0], "--html", filepath.Join(s.dir, "report.html"))
}

func (s *site) merge(devices, shards int) (cost, error) {
	dirs, err := s.history("merge", devices, shards)
	if err != nil {
		return cost{}, err
	}
	defer forget(dirs)
	if shards == 1 {
		return s.simulate("report", dirs[0])
	}
	return s.simulate(append([]string{"merge"}, dirs...)...)
}

// compare holds a run against all but one of so many, which are the same.
func (s *site) compare(histories int) (cost, error) {
	dirs, err := s.history("compare", 1000, 1)
	if err != nil {
		return cost{}, err
	}
	defer forget(dirs)
	args := []string{"compare"}
	for range histories {
		args = append(args, dirs[0])
	}
	return s.simulate(args...)
}

func (s *site) comparePair(devices int) (cost, error) {
	dirs, err := s.history("pair", devices, 1)
	if err != nil {
		return cost{}, err
	}
	defer forget(dirs)
	return s.simulate("compare", dirs[0], dirs[0])
}

func (s *site) pack(size int) (cost, error) {
	image, err := s.image(int64(size) << 20)
	if err != nil {
		return cost{}, err
	}
	command := packing("app", "app.ota", image)
	// The image is in the kernel's memory then, as a small one is from the second run on.
	if _, err := s.run(s.sim, command...); err != nil {
		return cost{}, err
	}
	return s.simulate(command...)
}

// packed makes a package of version 2 of a component.
func (s *site) packed(component, path string, size int64) error {
	image, err := s.image(size)
	if err == nil {
		_, err = s.run(s.sim, packing(component, path, image)...)
	}
	return err
}

func packing(component, path, image string) []string {
	return []string{"pack", "--key", "release.key", "--product", product, "--component", component, "--target", "2",
		"--release", "2", "--out", path, image}
}

// image makes a file of zeros, and the keys of whoever signs it.
func (s *site) image(size int64) (string, error) {
	path := filepath.Join(s.dir, "image")
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Truncate(path, size)
	}
	if _, missing := os.Stat(filepath.Join(s.dir, "release.key")); err == nil && missing != nil {
		_, err = s.run(s.sim, "keygen", "release")
	}
	return path, err
}
