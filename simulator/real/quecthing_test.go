package real_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/real"
)

// TestNotInQuecThing: what quecthing cannot say is refused before the run, by its key.
func TestNotInQuecThing(t *testing.T) {
	t.Parallel()
	plain := edit(t, ", encoding: zstd", "")
	for _, tt := range []struct{ text, want string }{
		{base, "plans.spring.components.motor.encoding: quecthing carries no signed manifest"},
		{plain + "    on_failure: revert\n", "plans.spring.on_failure: quecthing has no words for the roll-back"},
		{edit(t, "size: 130000", "size: 130000, hardware: [a]"),
			"plans.spring.components.rootfs.hardware: quecthing carries"},
		{edit(t, "size: 130000", "size: 130000, release: 7"), "plans.spring.components.rootfs.release: quecthing carries"},
		{edit(t, "size: 130000", "size: 130000, package: delta, sources: [1.0.0]", "package: full, ", ""),
			"plans.spring.components.rootfs.package: quecthing carries"},
		{edit(t, "{id: motor, type: mcu, version: 3_0}", "{id: motor, type: module, version: 3_0}"),
			"fleets.gw.components.motor: a quecthing device is one module"},
		{edit(t, "version: 3_0", `version: "3;0"`), `fleets.gw.components.motor: the version "3;0" of motor cannot be named`},
		{site, "fleets.sensor.behind: quecthing's sub-devices are not published"},
		{plain + "  - {name: late, product: gw-200, on_failure: continue, components: [{id: rootfs, package: full, " +
			"target: 1.2.0, size: 1}]}\n", "plans.late.on_failure: quecthing does not carry it"},
		{plain + "faults: [{name: echo, at: report, do: duplicate, chance: 1%}]\n", "faults.echo (duplicate at report)"},
		{plain + "faults: [{name: forger, at: upgrade_confirmed, do: bad_signature, chance: 1%}]\n",
			"faults.forger (bad_signature at upgrade_confirmed): quecthing carries no signed manifest"},
	} {
		_, err := simulator.Simulate(t.Context(), &real.World{},
			simulator.Options{Scenario: parse(t, tt.text), Dialect: model.QuecThing})
		assert.ErrorContains(t, err, tt.want)
	}
}
