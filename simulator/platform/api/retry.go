package api

import (
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// RetryDevices tries devices of a plan again; none named means every failed one.
// An error means that none was tried.
func RetryDevices(p *platform.Service, plan string, devices []string) (Retried, error) {
	result := Retried{Refused: []FieldError{}}
	if len(devices) == 0 {
		failed := failedDevices(p, plan)
		if devices = failed; len(failed) == 0 {
			// The command says whether the plan allows it at all.
			return result, p.Command(engine.RetryDevices{Plan: plan})
		}
	}
	err := p.Command(engine.RetryDevices{Plan: plan, Devices: devices})
	refusals := engine.DeviceRefusals(err)
	if err != nil && len(refusals) == 0 {
		return result, err
	}
	for _, r := range refusals {
		result.Refused = append(result.Refused, FieldError{r.Device, r.Reason})
	}
	result.Retried = len(devices) - len(refusals)
	return result, nil
}
