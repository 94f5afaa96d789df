package quecthing

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
	"otafleet/internal/wire"
)

// Heard takes a message of the platform, whatever its topic: the command says what it
// is. What is no frame, or asks nothing of a device, is ignored.
func (x *Exchange) Heard(now time.Time, payload []byte) {
	x.now = now
	if x.cipher != nil {
		plain, err := x.cipher.Open(payload)
		if err != nil {
			x.trouble = errors.New("a message of the platform is not encrypted with the session key")
			return
		}
		payload = plain
	}
	f, err := quecthing.DecodeFrame(payload)
	if err != nil {
		x.trouble = fmt.Errorf("%w: %w", errUnreadable, err)
		return
	}
	items, err := quecthing.DecodeItems(f.Payload)
	if err != nil {
		if f.Command != quecthing.ReadModel { // its payload has another form
			x.trouble = fmt.Errorf("%w: command %s: %w", errUnreadable, f.Command, err)
		}
		return
	}
	switch f.Command {
	case quecthing.DeviceConfig:
		x.configured(items)
	case quecthing.Exception:
		x.excepted(items)
	case quecthing.UpgradePlan:
		x.planned(items)
	case quecthing.UpgradeFile:
		x.addressed(items)
	}
}

// configured takes what the platform sets.
func (x *Exchange) configured(items quecthing.Items) {
	if key := items.Raw(quecthing.SessionKey); key != nil && x.settings.SessionKey {
		c, err := quecthing.NewCipher(key)
		if err != nil {
			x.trouble = err
			return
		}
		x.cipher = c
	}
	forget, _ := items.Bool(quecthing.ForgetSecret)
	secret, again := items.Text(quecthing.DeviceSecret), items.Text(quecthing.NewDeviceSecret)
	switch {
	case again != "":
		x.keep(again)
		x.close(errors.New("the platform has given the device a new secret"), true)
	case forget:
		x.first = true
		x.close(errors.New("the platform wants first contact again"), true)
	case secret != "":
		x.keep(secret)
		switch x.link {
		case binding:
			x.begin()
		case online:
			x.tell() // as a device does that has just begun
		case down, connecting:
		}
	}
	if items.Has(quecthing.ConfigServer) || items.Has(quecthing.NewProduct) || items.Has(quecthing.NewProductSecret) {
		x.trouble = errors.New("the platform wants the device to move to another server or product: change its configuration")
	}
}

// keep takes the device's secret. One that is on the disk already is not written again.
func (x *Exchange) keep(secret string) {
	secret = secret[:min(len(secret), quecthing.MaxDeviceSecret)]
	x.unkept = x.unkept || secret != x.secret
	x.secret, x.first = secret, false
}

// excepted takes a complaint of the platform.
func (x *Exchange) excepted(items quecthing.Items) {
	code, _ := items.Int(quecthing.ExceptionCode)
	why := fmt.Errorf("the platform says: %s (%d)", complaint(code), code)
	pause := shortPause
	switch code {
	case quecthing.CodeAuthentication, quecthing.CodeBusy, quecthing.CodeSecret:
		pause = longPause
	case quecthing.CodeNotFound, quecthing.CodeForbidden:
	default:
		x.trouble = why
		return
	}
	x.close(why, false)
	x.wait(pause)
}

// complaint is what an exception means.
func complaint(code int64) string {
	switch code {
	case quecthing.CodeAuthentication:
		return "the device is not authenticated"
	case quecthing.CodeNotFound:
		return "it does not know the device or its product"
	case quecthing.CodeForbidden:
		return "the device may not connect"
	case quecthing.CodeBusy:
		return "it cannot take the device now"
	case quecthing.CodeTooOften:
		return "messages come too often"
	case quecthing.CodeQuota:
		return "the device's messages are used up"
	case quecthing.CodeSecret:
		return "the device's secret is wrong"
	}
	return "something is wrong with a message"
}

// planned takes a plan for one component, or a list of them. A device that is at work
// says nothing to one.
func (x *Exchange) planned(items quecthing.Items) {
	x.asked = time.Time{}
	list, several := items.List(quecthing.Components)
	if !several {
		list = []quecthing.Items{items}
	}
	if len(list) > quecthing.MaxComponents {
		x.trouble = fmt.Errorf("a plan has %d components, over the limit of %d", len(list), quecthing.MaxComponents)
		return
	}
	p := &ota.Plan{Time: x.now, Attempt: 1, Mode: ota.Silent, OnFailure: x.settings.OnFailure, Ends: x.now.Add(planLasts)}
	for _, c := range list {
		component, conditions, err := planItem(c)
		if err != nil {
			x.trouble = fmt.Errorf("a component of a plan is ignored: %w", err)
			continue
		}
		p.Components, p.Conditions = append(p.Components, component), p.Conditions.With(conditions)
	}
	x.offer(p, nil)
}

// planLasts is how long a plan may be accepted: the wire says nothing of its end.
const planLasts = 10 * 365 * 24 * time.Hour

// planItem reads a component of a plan and the conditions that come with it.
func planItem(items quecthing.Items) (c ota.PlanComponent, conditions ota.Conditions, err error) {
	kind, err := componentType(items)
	c = ota.PlanComponent{ID: items.Text(quecthing.Component), Type: kind, Package: ota.Full,
		Target: items.Text(quecthing.Target)}
	switch {
	case !ota.ValidComponentID(c.ID):
		return c, conditions, fmt.Errorf("%q is not the name of one", ota.Clip(c.ID, maxShown))
	case !ota.ValidVersion(c.Target):
		return c, conditions, fmt.Errorf("%q is not a version", ota.Clip(c.Target, maxShown))
	case err != nil:
		return c, conditions, err
	}
	if source := items.Text(quecthing.Source); source != "" {
		c.Sources = []string{source}
	}
	if v, ok := items.Int(quecthing.MinBattery); ok && v != 0 {
		conditions.MinBattery = new(int(v))
	}
	if v, ok := items.Int(quecthing.MinSignal); ok && v != 0 {
		conditions.MinRSSI = new(int(v))
	}
	conditions.Space, _ = items.Int(quecthing.NeededSpace)
	return c, conditions, nil
}

var errUnreadable = errors.New("a message of the platform is malformed")

// maxShown bounds what is quoted of the platform's words.
const maxShown = 80

func componentType(items quecthing.Items) (ota.ComponentType, error) {
	switch v, ok := items.Int(quecthing.ComponentType); {
	case ok && v == quecthing.ModuleType:
		return ota.Module, nil
	case ok && v == quecthing.MCUType:
		return ota.MCU, nil
	default:
		return "", errors.New("it says of no component whether it is a module (0) or an MCU (1)")
	}
}

// offer delivers a plan to the agent; implied is the address from which it was made.
func (x *Exchange) offer(p *ota.Plan, implied *ota.Package) {
	if len(p.Components) == 0 {
		return
	}
	id, known := x.planID(p.Components)
	if known != nil && known.answer == accepted {
		x.knows(known, p.Components)
		return
	}
	p.ID, p.Name = id, "upgrade to "+strings.Join(p.Targets(), ", ")
	p.Name = ota.Clip(p.Name, ota.MaxPlanName/4) // characters of up to four bytes
	if known == nil {
		known = x.remember(&plan{id: id, attempt: 1})
	}
	known.learn(p.Components)
	p.Attempt = known.attempt
	known.delivered = true
	if implied != nil {
		known.implied, known.last().target = implied, p.Components[0].Target
	}
	if _, _, err := wire.EncodeDown(p); err != nil { // it states what a plan may be
		x.trouble = fmt.Errorf("a plan is refused: %w", err)
		x.announce(known, nil)
		known.answer = refused
		x.refuse(known)
		return
	}
	x.message(p)
}

// knows takes a plan again that the agent has accepted. A device says nothing to one,
// unless it has been started anew and has not said what it confirms.
func (x *Exchange) knows(p *plan, items []ota.PlanComponent) {
	if p.items == nil {
		p.learn(items)
		x.confirm(p)
	}
}

// addressed takes the address of a component's file.
func (x *Exchange) addressed(items quecthing.Items) {
	pkg, target, kind, err := x.packageOf(items)
	p := x.current()
	if p == nil || p.items != nil && p.partOf(pkg.Component) == nil {
		p = x.failedPlan(pkg.Component, target)
	}
	switch {
	case p == nil && x.unaccepted(pkg.Component):
		x.trouble = fmt.Errorf("an address for %s is ignored: the device has not accepted the plan", pkg.Component)
	case p == nil && x.current() != nil:
		// The device is at work, and the address is of something else.
	case p == nil && err != nil:
		x.trouble = err
		x.say(&part{id: pkg.Component, kind: kind}, quecthing.Failed, nil)
	case p == nil:
		x.offer(&ota.Plan{Time: x.now, Attempt: 1, Mode: ota.Silent, OnFailure: x.settings.OnFailure,
			Ends: x.now.Add(planLasts), Components: []ota.PlanComponent{{ID: pkg.Component, Type: kind, Package: ota.Full,
				Target: target, Size: pkg.Claim.Size}}}, pkg)
	default:
		x.hand(p, p.part(pkg.Component, kind), pkg, target, err)
	}
}

// hand delivers the package of a component that waits for one, or has failed.
func (x *Exchange) hand(p *plan, c *part, pkg *ota.Package, target string, err error) {
	switch {
	case c.status.Done(), c.status == ota.Upgrading, c.status == ota.DownloadSucceeded,
		(c.status == ota.ReadyToDownload || c.status == ota.Downloading) && !c.failed:
		return // it has what it needs
	case c.status.Failed():
		p.attempt = max(p.attempt, c.attempt+1)
	}
	p.addressBy = time.Time{}
	c.failed, c.overdue, c.target = false, false, target
	pkg.Plan, pkg.Attempt = p.id, p.attempt
	if err != nil {
		x.trouble = err
		x.deliver(agent.BadPackage{Plan: p.id, Attempt: p.attempt, Component: pkg.Component, Detail: err.Error()})
		return
	}
	x.message(pkg)
}

// unaccepted reports whether a plan waits for its answer, or one for the component has
// been refused: an address must not go past that.
func (x *Exchange) unaccepted(component string) bool {
	return slices.ContainsFunc(x.plans, func(p *plan) bool {
		return p.answer == unanswered ||
			p.answer == refused && p.implied == nil && p.partOf(component) != nil
	})
}

// failedPlan is the plan whose component has failed, for another try; nil for none.
func (x *Exchange) failedPlan(component, target string) *plan {
	for i := len(x.plans) - 1; i >= 0; i-- {
		p := x.plans[i]
		c := p.partOf(component)
		if c == nil || !c.status.Failed() || p.answer != accepted {
			continue
		}
		if k := p.itemOf(component); k == nil || k.Target == target {
			return p
		}
	}
	return nil
}

// packageOf makes a package from an address. With an error the package has what could
// be read.
func (x *Exchange) packageOf(items quecthing.Items) (p *ota.Package, target string, kind ota.ComponentType, err error) {
	kind, err = componentType(items)
	target = items.Text(quecthing.Target)
	url, component := items.Text(quecthing.URL), items.Text(quecthing.Component)
	size, _ := items.Int(quecthing.Size)
	sum := ota.Checksum{Kind: ota.MD5, Hex: strings.ToLower(items.Text(quecthing.MD5))}
	if strong := items.Text(quecthing.SHA256); strong != "" {
		sum = ota.Checksum{Kind: ota.SHA256, Hex: strings.ToLower(strong)}
	}
	claim := &ota.Claim{Target: target, Name: fileName(url, component), Size: size, Sum: sum}
	p = &ota.Package{Time: x.now, Component: component, Claim: claim,
		Files: []ota.FileAddress{{Name: claim.Name, URLs: []string{withScheme(url)}}}}
	switch problem := claim.Problem(); {
	case items.Has(quecthing.Files):
		err = errors.New("an address is of several files, which this device does not take")
	case !ota.ValidComponentID(component):
		err = fmt.Errorf("an address is for %q, which is not the name of a component", ota.Clip(component, maxShown))
	case url == "" || len(url) > ota.MaxURL:
		err = errors.New("an address has no URL, or one that is too long")
	case problem != "":
		err = errors.New("an address is of no use: " + problem)
	case err != nil:
		err = fmt.Errorf("an address is of no use: %w", err)
	}
	return p, target, kind, err
}

// fileName is the last part of a URL's path, or made from the component.
func fileName(url, component string) string {
	file, _, _ := strings.Cut(url, "?")
	if name := path.Base(file); ota.ValidFileName(name) {
		return name
	}
	return component + ".bin"
}

// withScheme completes the short form of a URL.
func withScheme(url string) string {
	if !strings.Contains(url, "://") {
		return "http://" + url
	}
	return url
}
