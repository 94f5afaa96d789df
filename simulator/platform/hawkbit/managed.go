package hawkbit

import (
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"otafleet/simulator/platform/hawkbit/management"
)

// managed answers the devices of targets that operators have made by the management
// API. The plans of the fake platform are not for them.
type managed struct {
	*request
	target management.Device
}

// managedRoute is a resource below a managed device's root.
type managedRoute struct {
	method, path string
	do           func(managed) error
}

func managedRoutes() []managedRoute {
	return []managedRoute{
		{http.MethodGet, "", managed.root},
		{http.MethodPut, "configData", managed.configData},
		{http.MethodGet, "deploymentBase/*", managed.document},
		{http.MethodPost, "deploymentBase/*/feedback", managed.feedback},
		{http.MethodGet, "cancelAction/*", managed.document},
		{http.MethodPost, "cancelAction/*/feedback", managed.feedback},
		{http.MethodGet, "confirmationBase/*", managed.document},
		{http.MethodPost, "confirmationBase/*/feedback", managed.confirm},
		{http.MethodGet, "softwaremodules/*/artifacts", managed.list},
		{http.MethodGet, "softwaremodules/*/artifacts/*", managed.artifact},
	}
}

// serve answers a request by the resource that it names.
func (m managed) serve() error {
	method := m.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, one := range managedRoutes() {
		if matches, _ := path.Match(one.path, strings.Join(m.rest, "/")); matches && one.method == method {
			return one.do(m)
		}
	}
	return notFound("the resource")
}

func (m managed) root() error {
	shown := m.target.Poll()
	var doc root
	doc.Config.Polling.Sleep = clock(m.sleep)
	doc.Links = map[string]link{}
	if shown.Action != "" {
		doc.Links[shown.Kind] = link{m.base + "/" + shown.Kind + "/" + shown.Action}
	}
	if shown.Ask {
		doc.Links["configData"] = link{m.base + "/configData"}
	}
	answer(m.w, http.StatusOK, doc)
	return nil
}

func (m managed) configData() error {
	var sent attributes
	if err := read(m.w, m.Request, &sent); err != nil {
		return err
	}
	return m.target.Tell(sent.apply)
}

// document answers what an action asks for.
func (m managed) document() error {
	kind, id := m.rest[0], m.rest[1]
	asked, shown := m.target.Read(kind, id)
	if !shown {
		return notFound("action " + id + " as " + kind)
	}
	if kind == "cancelAction" {
		doc := cancellation{ID: id}
		doc.Cancel.StopID = id
		answer(m.w, http.StatusOK, doc)
		return nil
	}
	wanted := &order{Download: "forced", Update: "forced", Chunks: []chunk{}}
	switch asked.Force {
	case "soft", "timeforced":
		wanted.Download, wanted.Update = "attempt", "attempt"
	case "downloadonly":
		wanted.Update = "skip"
	}
	for i := range asked.Modules {
		one := &asked.Modules[i]
		c := chunk{Part: one.Type, Name: one.Name, Version: one.Version, Artifacts: m.artifacts(one), Metadata: []pair{}}
		for _, about := range one.Metadata {
			c.Metadata = append(c.Metadata, pair{about[0], about[1]})
		}
		wanted.Chunks = append(wanted.Chunks, c)
	}
	doc := deployment{ID: id, Deployment: wanted}
	if kind == "confirmationBase" {
		doc.Deployment, doc.Confirmation = nil, wanted
	}
	answer(m.w, http.StatusOK, doc)
	return nil
}

func (m managed) artifacts(of *management.Module) []artifact {
	all := []artifact{}
	for _, f := range of.Artifacts {
		all = append(all, describe(f.Name, f.Size, hashes{f.SHA1, f.MD5, f.SHA256}, m.artifactsOf(of.ID)))
	}
	return all
}

// list answers with the files of a module.
func (m managed) list() error {
	of, found := m.target.Module(m.rest[1])
	if !found {
		return notFound("software module " + m.rest[1])
	}
	answer(m.w, http.StatusOK, m.artifacts(&of))
	return nil
}

// artifact answers with one of them, or with its digest.
func (m managed) artifact() error {
	name, digest := strings.CutSuffix(m.rest[3], ".MD5SUM")
	of, _ := m.target.Module(m.rest[1])
	for _, f := range of.Artifacts {
		if f.Name == name && digest {
			m.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(m.w, f.MD5+"  "+name)
			return nil
		}
	}
	content, found := m.target.Open(m.rest[1], name)
	if !found {
		return notFound("artifact " + name)
	}
	m.w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(m.w, m.Request, "", time.Time{}, content)
	return nil
}

// feedback takes what the device says of an action.
func (m managed) feedback() error {
	var said feedback
	if err := read(m.w, m.Request, &said); err != nil {
		return err
	}
	if err := said.check(); err != nil {
		return err
	}
	verdict, err := m.target.Feedback(m.rest[0], m.rest[1], management.Feedback{Execution: said.Status.Execution,
		Finished: said.Status.Result.Finished, Messages: said.Status.Details})
	if err != nil {
		return err
	}
	return m.verdict(verdict)
}

func (m managed) verdict(v management.Verdict) error {
	switch v {
	case management.Gone:
		return gone()
	case management.Missing:
		return notFound("action " + m.rest[1] + " as " + m.rest[0])
	}
	return nil
}

// confirm takes what the device's user says to an action.
func (m managed) confirm() error {
	var said confirmation
	if err := read(m.w, m.Request, &said); err != nil {
		return err
	}
	if err := said.check(); err != nil {
		return err
	}
	return m.verdict(m.target.Confirm(m.rest[1], said.Confirmation == "confirmed", said.Details))
}
