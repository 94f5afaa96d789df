package catalogue_test

import (
	"time"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/virtual"
)

// mutation is one way to make the world, or the devices in it, another one than a
// scenario says. What the scenario expects stays.
type mutation struct {
	name  string
	world func(*scenario.Scenario)           // nil for the same world
	mind  func(*agent.Machine) virtual.Brain // nil for the machine as it is
	leaks int64                              // bytes by which memory grows from sample to sample
}

// mutations lists all of them, those that break most first.
func mutations() []mutation {
	var all []mutation
	leak := []mutation{{name: "memory leaks", leaks: 1 << 15}}
	for _, some := range [][]mutation{defects(), leak, lessHappens(), otherDevices(), otherPlans(), moreGoesWrong()} {
		all = append(all, some...)
	}
	return all
}

// lessHappens takes away what the scenario is about.
func lessHappens() []mutation {
	return []mutation{
		{name: "no device arrives", world: fleets(func(f *scenario.Fleet, s *scenario.Scenario) {
			f.Arrive = scenario.Arrive{After: s.Duration}
		})},
		{name: "there is no plan", world: func(s *scenario.Scenario) { s.Plans = nil }},
		{name: "no fault is drawn", world: faults(func(f *scenario.Fault) { f.Chance, f.Exactly = 0, 0 })},
		{name: "every fault strikes once",
			world: faults(func(f *scenario.Fault) { f.Times = scenario.Range[int]{Lo: 1, Hi: 1} })},
		{name: "faults pass at once", world: faults(func(f *scenario.Fault) { f.For = scenario.Range[time.Duration]{} })},
		{name: "faults last for an hour", world: faults(func(f *scenario.Fault) {
			f.For = scenario.Range[time.Duration]{Lo: time.Hour, Hi: time.Hour}
		})},
		{name: "no event happens", world: func(s *scenario.Scenario) { s.Events = nil }},
		{name: "events last for an hour", world: func(s *scenario.Scenario) {
			for i := range s.Events {
				if s.Events[i].For > 0 {
					s.Events[i].For = time.Hour
				}
			}
		}},
	}
}

// otherDevices changes what they are.
func otherDevices() []mutation {
	return []mutation{
		{name: "fleets of a product are alike", world: fleets(func(f *scenario.Fleet, s *scenario.Scenario) {
			for i := range s.Fleets {
				if first := &s.Fleets[i]; first.Product == f.Product {
					f.Hardware, f.Components, f.Battery, f.RSSI = first.Hardware, first.Components, first.Battery, first.RSSI
					return
				}
			}
		})},
		{name: "they have run no release", world: fleets(func(f *scenario.Fleet, _ *scenario.Scenario) {
			for i := range f.Components {
				f.Components[i].Release = 0
			}
		})},
		{name: "they have run a late release", world: fleets(func(f *scenario.Fleet, _ *scenario.Scenario) {
			for i := range f.Components {
				f.Components[i].Release = 1000
			}
		})},
		{name: "they are there from the start",
			world: fleets(func(f *scenario.Fleet, _ *scenario.Scenario) { f.Arrive = scenario.Arrive{} })},
		{name: "their line is a tin can on a string", world: fleets(func(f *scenario.Fleet, _ *scenario.Scenario) {
			f.Link = scenario.Link{Bandwidth: 1 << 10, Latency: 20 * time.Second}
		})},
		{name: "each installation restarts the system", world: fleets(func(f *scenario.Fleet, _ *scenario.Scenario) {
			f.Install.Restart = firmware.RestartSystem
		})},
	}
}

// otherPlans changes what is asked of them.
func otherPlans() []mutation {
	return []mutation{
		{name: "plans have no retries", world: plans(func(p *scenario.Plan) { p.Retries = 0 })},
		{name: "plans stop on failure", world: plans(func(p *scenario.Plan) { p.OnFailure = ota.Stop })},
		{name: "every user declines", world: plans(func(p *scenario.Plan) {
			if p.Mode == ota.Manual {
				p.Users = &scenario.Users{Cancel: 100}
			}
		})},
		{name: "plans ask for nothing", world: plans(func(p *scenario.Plan) { p.Conditions = scenario.Conditions{} })},
		{name: "plans are pushed, at any hour, and never end", world: plans(func(p *scenario.Plan) {
			p.Mode, p.Users, p.Push, p.Window, p.Starts, p.Ends = ota.Silent, nil, true, nil, 0, 0
		})},
		{name: "packages are of no release",
			world: packages(func(c *scenario.Component) { c.Release, c.AllowDowngrade = 1, false })},
	}
}

// moreGoesWrong gives everybody a fault that the scenario does not have.
func moreGoesWrong() []mutation {
	always := scenario.Range[int]{Lo: 1000, Hi: 1000}
	hours := scenario.Range[time.Duration]{Lo: 24 * time.Hour, Hi: 24 * time.Hour}
	half := scenario.After{Share: scenario.Range[scenario.Percent]{Lo: 50, Hi: 50}}
	var all []mutation
	add := func(name string, f scenario.Fault) {
		f.Name, f.Chance = "mutation", 100
		if f.Times.Hi == 0 {
			f.Times = always
		}
		all = append(all, mutation{name: name, world: func(s *scenario.Scenario) {
			if !f.OfPlatform() || s.Platform == string(model.HawkBit) { // others are not polled
				s.Faults = append(s.Faults, f)
			}
		}})
	}
	add("everybody refuses", scenario.Fault{Kind: scenario.Refuse, At: scenario.At(ota.PlanReceived),
		Reason: ota.ReasonBusy, For: hours})
	add("the storage has nothing", scenario.Fault{Kind: scenario.HTTPStatus, At: scenario.At(ota.Downloading),
		Status: 410})
	add("the platform takes no report", scenario.Fault{Kind: scenario.HTTPStatus, At: scenario.AtReport, Status: 409})
	add("no new version is healthy", scenario.Fault{Kind: scenario.Unhealthy, At: scenario.AtHealth})
	add("new versions restart for ever", scenario.Fault{Kind: scenario.BootLoop, At: scenario.At(ota.Upgrading)})
	add("the line breaks for good when a report leaves", scenario.Fault{Kind: scenario.Drop, At: scenario.AtReport,
		For: hours})
	add("sessions break again and again", scenario.Fault{Kind: scenario.Reset, At: scenario.AtConnect,
		After: scenario.After{Delay: scenario.Range[time.Duration]{Lo: time.Second, Hi: time.Second}},
		Times: scenario.Range[int]{Lo: 10, Hi: 10}})
	add("power fails in the middle of downloads", scenario.Fault{Kind: scenario.PowerCut, At: scenario.At(ota.Downloading),
		After: half,
		Times: scenario.Range[int]{Lo: 1, Hi: 1}, For: scenario.Range[time.Duration]{Lo: time.Second, Hi: time.Second}})
	return all
}

// fleets changes every fleet.
func fleets(change func(*scenario.Fleet, *scenario.Scenario)) func(*scenario.Scenario) {
	return func(s *scenario.Scenario) {
		for i := range s.Fleets {
			change(&s.Fleets[i], s)
		}
	}
}

// plans changes every plan.
func plans(change func(*scenario.Plan)) func(*scenario.Scenario) {
	return func(s *scenario.Scenario) {
		for i := range s.Plans {
			change(&s.Plans[i])
		}
	}
}

// packages changes every component of every plan.
func packages(change func(*scenario.Component)) func(*scenario.Scenario) {
	return plans(func(p *scenario.Plan) {
		for i := range p.Components {
			change(&p.Components[i])
		}
	})
}

// faults changes every fault.
func faults(change func(*scenario.Fault)) func(*scenario.Scenario) {
	return func(s *scenario.Scenario) {
		for i := range s.Faults {
			change(&s.Faults[i])
		}
	}
}
