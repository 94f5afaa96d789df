package management

import (
	"crypto/md5" // old devices know no better
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
)

func (s *Store) moduleRoutes() map[string]handler {
	return map[string]handler{
		"GET softwaremodules":                                  s.listModules,
		"POST softwaremodules":                                 s.createModules,
		"GET softwaremodules/{module}":                         s.ofModule(showModule),
		"DELETE softwaremodules/{module}":                      s.ofModule(s.deleteModule),
		"GET softwaremodules/{module}/artifacts":               s.ofModule(listArtifacts),
		"POST softwaremodules/{module}/artifacts":              s.ofModule(s.addArtifact),
		"GET softwaremodules/{module}/artifacts/{artifact}":    s.ofModule(showArtifact),
		"DELETE softwaremodules/{module}/artifacts/{artifact}": s.ofModule(s.deleteArtifact),
		"GET softwaremodules/{module}/metadata":                s.ofModule(listMetadata),
		"POST softwaremodules/{module}/metadata":               s.ofModule(addMetadata),
		"GET softwaremoduletypes":                              listKinds(moduleKinds()),
		"GET distributionsettypes":                             listKinds(setKinds()),
	}
}

// defaultKind is the type of modules that a set may have several of.
const defaultKind = "application"

// moduleKinds and setKinds are the types that a new hawkBit has.
func moduleKinds() []*named {
	return []*named{{id: 1, kind: "os", name: "OS"}, {id: 2, kind: defaultKind, name: "Application"}}
}

func setKinds() []*named {
	return []*named{{id: 1, kind: "os", name: "OS only"}, {id: 2, kind: "app", name: "App(s) only"},
		{id: 3, kind: "os_app", name: "OS with app(s)"}}
}

func known(kinds []*named, kind string) bool {
	return slices.ContainsFunc(kinds, func(k *named) bool { return k.kind == kind })
}

func listKinds(kinds []*named) handler {
	return func(r *request) (int, any, error) {
		return paged(r, kinds, func(k *named) map[string]string {
			fields := k.fields()
			fields["key"] = k.kind
			return fields
		}, func(k *named) any { return map[string]any{"id": k.id, "key": k.kind, "name": k.name} })
	}
}

func (s *Store) ofModule(do func(*request, *module) (int, any, error)) handler {
	return func(r *request) (int, any, error) {
		m := find(s.modules, r.number("module"))
		if m == nil {
			return 0, nil, missing("SoftwareModule", r.PathValue("module"))
		}
		return do(r, m)
	}
}

// versioned checks what a module or a set is called.
func versioned(kind string, n *named) error {
	if n.name == "" || len(n.name) > 128 || n.version == "" || len(n.version) > 64 || len(n.description) > maxText {
		return badRequest("%s %.80q: want a name of 1 to 128 bytes, and a version of 1 to 64", kind, n.name)
	}
	return nil
}

func (s *Store) createModules(r *request) (int, any, error) {
	bodies, err := list[struct {
		Name, Version, Type, Description, Vendor string
	}](r)
	if err != nil {
		return 0, nil, err
	}
	views, made := []any{}, []*module{}
	for _, b := range bodies {
		m := &module{named: named{id: s.number(), name: b.Name, description: b.Description, kind: b.Type,
			version: b.Version, made: s.now()}, vendor: b.Vendor}
		err := versioned("SoftwareModule", &m.named)
		switch {
		case err != nil:
			return 0, nil, err
		case !known(moduleKinds(), b.Type):
			return 0, nil, missing("SoftwareModuleType", b.Type)
		case taken(append(made, s.modules...), b.Name, b.Version):
			return 0, nil, exists("SoftwareModule", b.Name+" "+b.Version)
		}
		made, views = append(made, m), append(views, moduleView(r, m))
	}
	s.modules = append(s.modules, made...)
	return http.StatusCreated, views, nil
}

func (s *Store) listModules(r *request) (int, any, error) {
	return paged(r, s.modules, func(m *module) map[string]string { return m.fields() },
		func(m *module) any { return moduleView(r, m) })
}

func moduleView(r *request, m *module) any {
	path := fmt.Sprint("softwaremodules/", m.id)
	return map[string]any{"id": m.id, "name": m.name, "version": m.version, "type": m.kind, "description": m.description,
		"vendor": m.vendor, "createdAt": milli(m.made), "complete": true,
		"_links": map[string]link{"self": self(r, path), "artifacts": self(r, path+"/artifacts")}}
}

func showModule(r *request, m *module) (int, any, error) { return http.StatusOK, moduleView(r, m), nil }

func (s *Store) deleteModule(_ *request, m *module) (int, any, error) {
	s.modules = remove(s.modules, m)
	if !slices.ContainsFunc(s.sets, func(one *set) bool { return slices.Contains(one.modules, m) }) {
		for _, a := range m.artifacts {
			s.kept -= int64(len(a.content))
		}
	}
	return http.StatusNoContent, nil, nil
}

// upload is a file that comes for a module.
type upload struct {
	name    string
	content []byte
}

// readUpload reads the part "file" of a form.
func readUpload(w http.ResponseWriter, r *http.Request) (*upload, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxArtifact+maxText)
	parts, err := r.MultipartReader()
	for err == nil {
		part, next := parts.NextPart()
		if err = next; err != nil || part.FormName() != "file" {
			continue
		}
		content, failed := io.ReadAll(part)
		if failed != nil {
			return nil, problem(http.StatusForbidden, "FileSizeQuotaExceededException", "quota.fileSizeExceeded",
				"the artifact broke off, or has more than %d bytes", maxArtifact)
		}
		name := r.URL.Query().Get("filename")
		if name == "" {
			name = part.FileName()
		}
		return &upload{path.Base(strings.ReplaceAll(name, `\`, "/")), content}, nil
	}
	return nil, badRequest("want a form with a part named file")
}

func (s *Store) addArtifact(r *request, m *module) (int, any, error) {
	u := r.file
	switch {
	case u == nil:
		return 0, nil, badRequest("want a form with a part named file")
	case u.name == "" || u.name == "." || u.name == "/" || len(u.name) > maxText:
		return 0, nil, badRequest("want a name of the file")
	case slices.ContainsFunc(m.artifacts, func(a *artifact) bool { return a.name == u.name }):
		return 0, nil, exists("Artifact", u.name)
	case s.kept+int64(len(u.content)) > maxKept:
		return 0, nil, problem(http.StatusForbidden, "StorageQuotaExceededException", "quota.storageExceeded",
			"there are more than %d bytes of artifacts", maxKept)
	}
	weak, weaker, strong := sha1.Sum(u.content), md5.Sum(u.content), sha256.Sum256(u.content)
	a := &artifact{id: s.number(), name: u.name, content: u.content, sha1: hex.EncodeToString(weak[:]),
		md5: hex.EncodeToString(weaker[:]), sha256: hex.EncodeToString(strong[:])}
	m.artifacts = append(m.artifacts, a)
	s.kept += int64(len(a.content))
	return http.StatusCreated, artifactView(r, m, a), nil
}

func artifactView(r *request, m *module, a *artifact) any {
	path := fmt.Sprintf("softwaremodules/%d/artifacts/%d", m.id, a.id)
	return map[string]any{"id": a.id, "providedFilename": a.name, "size": len(a.content),
		"hashes": map[string]string{"sha1": a.sha1, "md5": a.md5, "sha256": a.sha256},
		"_links": map[string]link{"self": self(r, path)}}
}

func listArtifacts(r *request, m *module) (int, any, error) {
	views := []any{}
	for _, a := range m.artifacts {
		views = append(views, artifactView(r, m, a))
	}
	return http.StatusOK, views, nil
}

func (m *module) artifact(r *request) (*artifact, error) {
	n := r.number("artifact")
	for _, a := range m.artifacts {
		if a.id == n {
			return a, nil
		}
	}
	return nil, missing("Artifact", r.PathValue("artifact"))
}

func showArtifact(r *request, m *module) (int, any, error) {
	a, err := m.artifact(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, artifactView(r, m, a), nil
}

func (s *Store) deleteArtifact(r *request, m *module) (int, any, error) {
	a, err := m.artifact(r)
	if err != nil {
		return 0, nil, err
	}
	m.artifacts = remove(m.artifacts, a)
	s.kept -= int64(len(a.content))
	return http.StatusNoContent, nil, nil
}

func addMetadata(r *request, m *module) (int, any, error) {
	pairs, err := list[metadata](r)
	if err != nil {
		return 0, nil, err
	}
	for _, p := range pairs {
		switch {
		case p.Key == "" || len(p.Key) > 128 || len(p.Value) > 4000:
			return 0, nil, badRequest("metadata %.80q: want a key of 1 to 128 bytes, and at most 4,000", p.Key)
		case len(m.metadata)+len(pairs) > 100:
			return 0, nil, quota("software module %d: at most 100 metadata are kept", m.id)
		case slices.ContainsFunc(m.metadata, func(q metadata) bool { return q.Key == p.Key }):
			return 0, nil, exists("SoftwareModuleMetadata", p.Key)
		}
	}
	m.metadata = append(m.metadata, pairs...)
	return http.StatusCreated, nil, nil
}

func listMetadata(r *request, m *module) (int, any, error) {
	return paged(r, m.metadata, func(p metadata) map[string]string { return map[string]string{"key": p.Key} },
		func(p metadata) any { return p })
}
