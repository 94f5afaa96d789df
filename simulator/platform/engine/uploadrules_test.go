package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

func TestCheckUpload(t *testing.T) {
	for _, c := range []struct {
		target string
		files  []string
		types  []string
		wrong  []string // fields
	}{
		{"1.1.0", []string{"system_patch.mini_1", "system_patch.mini_2"}, nil, nil},
		{"3_1-rc.2", []string{"app.TAR.GZ", "a.b.bin"}, nil, nil},
		{"2", []string{"rootfs.img"}, []string{".img"}, nil},
		{"2", []string{"a.bin", "rootfs.img", ".bin", "bin"}, nil, []string{"files[1]", "files[2]", "files[3]"}},
		{"2.0+build", []string{"a.gz"}, nil, []string{"files[0]", "target"}},
		{"../2", []string{"a.bin"}, nil, []string{"target"}},
	} {
		m := &ota.Manifest{Target: c.target}
		for _, name := range c.files {
			m.Files = append(m.Files, ota.File{Name: name})
		}
		var wrong []string
		for _, p := range engine.Problems(engine.CheckUpload(m, append(engine.FileTypes(), c.types...))) {
			wrong = append(wrong, p.Field)
		}
		assert.Equal(t, c.wrong, wrong, c.target)
	}
}
