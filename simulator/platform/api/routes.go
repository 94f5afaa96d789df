package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Root is the beginning of every path of the API.
const Root = "/api/v1"

// handler answers a request, or says why it cannot, before it has written
// anything.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one operation.
type route struct {
	method, path string // path below Root, with {names} as in docs/openapi.yaml
	do           handler
}

// routes is the table of everything that the API can do.
func (a *API) routes() []route {
	const plan, device, pkg = "/plans/{plan}", "/plans/{plan}/devices/{device}", "/packages/{package}"
	return []route{
		{"GET", "/platform", a.showPlatform},
		{"GET", "/plans", a.listPlans},
		{"POST", "/plans", a.createPlan},
		{"GET", plan, a.showPlan},
		{"PUT", plan, a.editPlan},
		{"DELETE", plan, a.deletePlan},
		{"POST", plan + "/activate", a.order(activate)},
		{"POST", plan + "/suspend", a.order(suspend)},
		{"POST", plan + "/resume", a.order(resume)},
		{"POST", plan + "/terminate", a.order(terminate)},
		{"POST", plan + "/retry", a.retryDevices},
		{"GET", plan + "/series", a.showSeries},
		{"GET", plan + "/devices", a.listDevices},
		{"GET", plan + "/devices.csv", a.exportDevices},
		{"GET", device, a.showDevice},
		{"POST", device + "/retry", a.retryDevice},
		{"POST", device + "/end", a.endDevice},
		{"POST", device + "/answer", a.answer},
		{"GET", "/devices", a.listFleet},
		{"GET", "/devices.csv", a.exportFleet},
		{"PUT", "/products/{product}/devices/{device}/auto-confirm", a.autoConfirm},
		{"GET", "/packages", a.listPackages},
		{"POST", "/packages", a.uploadPackage},
		{"GET", pkg, a.showPackage},
		{"DELETE", pkg, a.deletePackage},
		{"POST", pkg + "/verify", a.verifyPackage},
		{"GET", "/events", a.follow},
	}
}

// byPath gathers the methods of each path, so that another one is answered like
// every other mistake.
func (a *API) byPath() map[string]map[string]handler {
	paths := map[string]map[string]handler{}
	for _, r := range a.routes() {
		path := Root + r.path
		if paths[path] == nil {
			paths[path] = map[string]handler{}
		}
		paths[path][r.method] = r.do
	}
	return paths
}

// dispatch answers the requests to one path; without methods there is nothing.
func (a *API) dispatch(methods map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do, found := methods[r.Method]
		if !found && r.Method == http.MethodHead {
			do, found = methods[http.MethodGet]
		}
		var err error
		switch {
		case found:
			err = do(w, r)
		case methods == nil:
			err = &failure{status: http.StatusNotFound, detail: "there is nothing at this path"}
		default:
			allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
			w.Header().Set("Allow", allowed)
			err = &failure{status: http.StatusMethodNotAllowed, detail: "want one of " + allowed}
		}
		if err != nil {
			a.refuse(w, r, err)
		}
	})
}

// Routes lists every operation as docs/openapi.yaml does: "METHOD /path", with the
// path below Root.
func Routes() []string {
	var names []string
	for _, r := range new(API).routes() {
		names = append(names, r.method+" "+r.path)
	}
	return names
}
