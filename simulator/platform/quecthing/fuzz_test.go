package quecthing_test

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform/engine"
)

// FuzzDevice: whatever a device sends, in whatever order, the platform goes on, and the
// ledger takes what it gets.
func FuzzDevice(f *testing.F) {
	frame := func(c codec.Command, items ...codec.Item) []byte {
		b, _ := (codec.Frame{ID: 7, Command: c, Payload: codec.Items(items).Encode()}).Encode()
		return append(binary.BigEndian.AppendUint16([]byte{1}, uint16(len(b))), b...)
	}
	status := func(s codec.Status) []byte {
		return frame(codec.UpgradeStatus, codec.Int(codec.StatusCode, int64(s)), codec.Text(codec.Component, "STM32"),
			codec.Int(codec.ComponentType, codec.MCUType), codec.Text(codec.ModuleVersion, "V2.0.0"),
			codec.Text(codec.ModuleVersions, "STM32:2_0_0"))
	}
	info := frame(codec.DeviceInfo, codec.Text(codec.InfoVersion, "V1.0.0"),
		codec.Text(codec.InfoVersions, "STM32:1_0_0;ESP:7"))
	all := info
	for s := codec.Received; s <= codec.Failed; s++ {
		all = append(append(all, status(s)...), 2, 0, 20)
		f.Add(append(append(append([]byte{}, info...), status(codec.Confirmed)...), status(s)...))
	}
	f.Add(all)
	f.Add(append(append([]byte{}, all...), 3, 0, 0, 4, 0, 0))
	f.Fuzz(func(t *testing.T, script []byte) {
		x := newFixture(t)
		x.connects()
		x.plan(engine.PlanSpec{Retries: 2}, "mcu STM32 2_0_0", "mcu ESP 8")
		x.plan(engine.PlanSpec{Retries: 2}, "module MOD V2.0.0")
		for len(script) >= 3 {
			what, n := script[0]%5, int(binary.BigEndian.Uint16(script[1:]))
			script = script[3:]
			switch what {
			case 0, 1:
				b := script[:min(n, len(script))]
				script = script[len(b):]
				if f, err := codec.DecodeFrame(b); err == nil {
					x.takes(f)
				}
			case 2:
				x.pass(time.Duration(n) * time.Second)
			case 3:
				x.leaves()
				x.connects()
			case 4:
				_, _ = x.engine.Command(x.now, engine.Abandon{Plan: "plan-1", Device: key})
			}
		}
		assert.Empty(t, x.faults)
		for _, f := range x.sent {
			_, err := f.Encode()
			assert.NoError(t, err)
		}
	})
}

// TestEndlessDevice: what a device says does not add up in the platform's memory.
func TestEndlessDevice(t *testing.T) {
	f := newFixture(t)
	f.connects()
	f.plan(engine.PlanSpec{Retries: 5}, "mcu STM32 2_0_0", "module MOD V2.0.0")
	long := string(make([]byte, 60_000))
	talk := func(n int) {
		for i := range n {
			f.runs(long, long)
			f.asks("V1."+string(rune('a'+i%26)), "STM32:"+string(rune('a'+i%26))+";"+long[:100])
			f.stm32(codec.Status(i % 300 % 14))
			f.says(codec.UpgradeStatus, codec.Text(codec.Component, long), codec.Int(codec.StatusCode, -1<<62))
			f.says(codec.DeviceStatus, codec.Int(codec.Battery, 1<<60), codec.Int(codec.Signal, 5),
				codec.Int(codec.FreeSpace, -1))
			f.sent, f.trail, f.decided = nil, nil, nil
		}
	}
	talk(500)
	before := live()
	talk(2000)
	assert.Less(t, live(), before+1<<20, "bytes")
	assert.Empty(t, f.faults)
}

func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
