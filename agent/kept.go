package agent

import (
	"encoding/json"
	"errors"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// The form of a kept package that no one has signed. Another one is kept as the
// message that it came as, which has no claim. Names here lie on disks in the field.
type keptRecord struct {
	Claim   *claimRecord    `json:"claim"`
	Time    string          `json:"time"`
	Plan    string          `json:"plan"`
	Attempt int             `json:"attempt"`
	Files   []addressRecord `json:"files"`
}

type claimRecord struct {
	Component string `json:"component"`
	Target    string `json:"target"`
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	Kind      string `json:"kind"`
	Sum       string `json:"sum"` // hex
}

type addressRecord struct {
	Name    string   `json:"name"`
	URLs    []string `json:"urls"`
	Expires string   `json:"expires,omitempty"`
}

// encodePackage gives the form of a package on disk.
func encodePackage(p *ota.Package) ([]byte, error) {
	c := p.Claim
	if c == nil {
		_, content, err := wire.EncodeDown(p)
		return content, err
	}
	r := keptRecord{
		Claim: &claimRecord{Component: p.Component, Target: c.Target, Name: c.Name, Size: c.Size,
			Kind: string(c.Sum.Kind), Sum: c.Sum.Hex},
		Time: encodeTime(p.Time), Plan: p.Plan, Attempt: p.Attempt,
	}
	for i := range p.Files {
		f := &p.Files[i]
		r.Files = append(r.Files, addressRecord{f.Name, f.URLs, encodeTime(f.Expires)})
	}
	return json.Marshal(r)
}

// decodePackage reads a kept package of a component.
func decodePackage(content []byte, component string) (*ota.Package, error) {
	var r keptRecord
	if err := json.Unmarshal(content, &r); err == nil && r.Claim != nil {
		return r.decode(component)
	}
	message, err := wire.DecodeDown(wire.KindPackage, content)
	if err != nil {
		return nil, err
	}
	p, ok := message.(*ota.Package)
	if !ok || p.Component != component {
		return nil, errOther
	}
	return p, nil
}

var errOther = errors.New("the file holds another component's package")

func (r *keptRecord) decode(component string) (*ota.Package, error) {
	c := r.Claim
	if c.Component != component {
		return nil, errOther
	}
	claim := &ota.Claim{Target: c.Target, Name: c.Name, Size: c.Size,
		Sum: ota.Checksum{Kind: ota.ChecksumKind(c.Kind), Hex: c.Sum}}
	if problem := claim.Problem(); problem != "" {
		return nil, errors.New(problem)
	}
	if !ota.ValidPlanID(r.Plan) || r.Attempt < 1 || r.Attempt > ota.MaxAttempt || len(r.Files) > ota.MaxFiles {
		return nil, errors.New("its plan, attempt or addresses are malformed")
	}
	p := &ota.Package{Plan: r.Plan, Attempt: r.Attempt, Component: component, Claim: claim}
	var err error
	if p.Time, err = decodeTime(r.Time); err != nil {
		return nil, err
	}
	for _, a := range r.Files {
		var expires time.Time
		if expires, err = decodeTime(a.Expires); err != nil || len(a.URLs) > ota.MaxURLs {
			return nil, errors.New("its addresses are malformed")
		}
		p.Files = append(p.Files, ota.FileAddress{Name: a.Name, URLs: a.URLs, Expires: expires})
	}
	return p, nil
}
